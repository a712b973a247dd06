"""The gate: where requests wait for the backend.

The supervisor opens and closes it, requests ask it. It decides nothing but order: held requests
go first come, first served, a few at a time, and no new one overtakes them.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.state import Requests
from httpprocessproxy.system.faults import contained

# A listen backlog of 10 (Django's) overflows when all that waited connect at once, and the kernel
# tries again after 1 s; and of many that start together, each is answered late. So requests are
# released as TCP sends (RFC 5681 section 3.1): one at first, one more for each answer up to a few,
# and then one more for each round of answers. A step of time without any answer doubles those few,
# or adds one: a long poll must not keep all others waiting.
FIRST_REQUESTS: Final = 1
FEW_REQUESTS: Final = 8
STEP_S: Final = 0.025

# How long after a broken connection the end of the process may still come to be known.
SUSPICION_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the backend of a generation answers.

    `connection` is for the scout, who owns it: one that has been made.
    """

    generation: int
    host: str
    port: int
    connection: socket.socket | None = field(default=None, compare=False)


class Waiter(Protocol):
    """A request at the gate. Exactly one of its methods is called, perhaps at once."""

    @property
    def is_safe(self) -> bool:
        """Whether it may be sent again if it is lost."""

    @property
    def is_navigation(self) -> bool:
        """Whether a browser asks for a page to be shown."""

    @property
    def wants_fence(self) -> bool:
        """Whether it asks itself to be answered by what has been written before it."""

    def admitted(self, target: Target) -> None: ...

    def refused(self, problem: Problem) -> None: ...


@dataclass(frozen=True, slots=True)
class _Scout:
    """The request that goes first, before it is known whether the backend answers."""

    waiter: Waiter
    target: Target
    answered: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Starting:
    """The 503 for a document that has waited `after_s`: a page that shows the start."""

    after_s: float
    problem: Callable[[], Problem]


class Gate:
    """Holds, admits or refuses requests. Use it on the event loop's thread only."""

    def __init__(
        self,
        queue_timeout_s: float,
        overdue: Callable[[], Problem],
        starting: Starting | None = None,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """`overdue` makes the 503 for a request that has waited `queue_timeout_s`.

        `is_current` returns whether every change written so far has had its effect on the gate;
        if not, `resume` or another command follows. It is called for each request.
        """
        self.fence: Callable[[], asyncio.Future[bool]] | None = None
        # The number of the last change seen, and whether all up to a number have had their effect:
        # a request waits for the changes before it, for later ones may never end.
        self.last_mark: Callable[[], int] | None = None
        self.is_past: Callable[[int], bool] = lambda mark: False
        self._mark = 0  # at the last opening, or refusal
        self.answers = 0  # that have begun
        self._is_current = is_current
        self._queue_timeout_s = queue_timeout_s
        self._overdue = overdue
        self._starting = starting
        self._loop = asyncio.get_running_loop()
        self._requests = Requests.HOLD
        self._problem = overdue
        self.target: Target | None = None
        self.generation: int | None = None  # the last that answered
        # In order of arrival, with the time of its timeout and the mark of its changes.
        self._held: dict[Waiter, tuple[float, int]] = {}
        self._timeout: asyncio.TimerHandle | None = None
        self._first_request: _Scout | None = None
        self._opening: set[Waiter] = set()  # released, and not answered yet
        self._window = 0.0
        self._is_answering = False  # since the last step
        self._step: asyncio.TimerHandle | None = None
        self._unconfirmed: dict[Waiter, asyncio.TimerHandle] = {}
        self._fenced: set[Waiter] = set()  # before the fence, and so not held yet
        self._pending = 0
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def has_pending(self) -> bool:
        """Whether the backend owes an answer that would be lost."""
        return self._pending > 0

    # What the supervisor does

    def hold(self) -> None:
        """Let requests wait."""
        self._requests, self.target = Requests.HOLD, None
        self._scouted(False)
        self._ask_suspects_again()

    def open(self, target: Target) -> None:
        """Let requests through, those that waited first."""
        self._requests, self.target = Requests.FORWARD, target
        self.generation = target.generation
        self._window = float(FIRST_REQUESTS)
        self._opening.clear()
        self._scouted(False)
        self._mark = self._mark_now()
        self._release()
        self._ask_suspects_again()

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        """Send the first safe request that waits to a backend that may be ready, on the target's
        connection. The future tells whether it was answered; None if there is no such request.
        """
        waiter = next((waiter for waiter in self._held if waiter.is_safe), None)
        if waiter is None or not self._is_current():
            return None
        del self._held[waiter]
        self._first_request = _Scout(waiter, target, self._loop.create_future())
        answered = self._first_request.answered
        waiter.admitted(target)
        return answered

    def refuse(self, problem: Callable[[], Problem]) -> None:
        """Answer every request with a problem, those that waited as well."""
        self._requests, self.target, self._problem = Requests.REFUSE, None, problem
        self._mark = self._mark_now()
        self._refuse_held()
        self._ask_suspects_again()

    def resume(self) -> None:
        """Changes have been judged: go on with what waited for that, if they had no effect."""
        if self._held:
            if self._requests is Requests.REFUSE:
                self._refuse_held()
            else:
                self._release()

    async def drained(self, timeout_s: float) -> None:
        """Wait until the backend owes no answer that would be lost, or `timeout_s` have passed."""
        try:
            async with asyncio.timeout(timeout_s):
                # Another answer may have begun before this task is resumed.
                while self._pending:
                    await self._drained.wait()
        except TimeoutError:
            pass

    @property
    def held(self) -> int:
        return len(self._held)

    def leads_to(self, target: Target) -> bool:
        """Whether a request that was admitted to `target` may still go there."""
        return target == self.target or (
            self._first_request is not None and target is self._first_request.target
        )

    # What a request does

    def enter(self, waiter: Waiter) -> bool:
        """`ask` for a request that has just come, behind a fence if it needs one.

        Where changes are not known at once, these do: a page to be shown, what must not be sent
        twice, and a request that says so.
        """
        if self.fence is None or not (
            waiter.wants_fence or waiter.is_navigation or not waiter.is_safe
        ):
            return self.ask(waiter)
        self._fenced.add(waiter)
        self.fence().add_done_callback(lambda _: self._pass_fence(waiter))
        return False

    def ask(self, waiter: Waiter) -> bool:
        """Let `waiter` through, refuse it, or keep it until one of the two can be done.

        Returns whether it was done.
        """
        if self.target is not None:
            if not self._held and self._is_current():
                waiter.admitted(self.target)
                return True
        elif self._requests is Requests.REFUSE and self._is_current():
            waiter.refused(self._problem())
            return True
        self._held[waiter] = self._loop.time() + self._queue_timeout_s, self._mark_now()
        self._watch_timeout()
        if self._starting is not None and waiter.is_navigation:
            self._loop.call_later(self._starting.after_s, self._show_start, waiter)
        return False

    def hold_unconfirmed(self, waiter: Waiter) -> None:
        """`waiter` lost its connection: keep it until the backend's end is known, or unlikely."""
        if self.target is None:
            self.ask(waiter)
        else:
            timer = self._loop.call_later(SUSPICION_S, self._ask_suspect_again, waiter)
            self._unconfirmed[waiter] = timer

    def answered(self, waiter: Waiter) -> None:
        """The backend has begun to answer: it is ready for more."""
        self.answers += 1
        if self._first_request is not None and waiter is self._first_request.waiter:
            self.generation = self._first_request.target.generation
            self._scouted(True)
        if waiter in self._opening:
            self._opening.remove(waiter)
            self._window += 1 if self._window < FEW_REQUESTS else 1 / self._window
            self._is_answering = True
            self._release()

    def leave(self, waiter: Waiter) -> None:
        """`waiter` has gone: it has its answer, its client left, or it has lost its connection."""
        if not (
            self._held or self._unconfirmed or self._first_request or self._opening or self._fenced
        ):
            return  # as nearly always
        self._fenced.discard(waiter)
        self._held.pop(waiter, None)
        if (timer := self._unconfirmed.pop(waiter, None)) is not None:
            timer.cancel()
        if self._first_request is not None and waiter is self._first_request.waiter:
            self._scouted(False)
        if waiter in self._opening:
            self._opening.remove(waiter)
            self._release()

    def pending_began(self) -> None:
        """The backend owes an answer that no other can give: a restart had better wait for it."""
        self._pending += 1
        self._drained.clear()

    def pending_ended(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._drained.set()

    # Releasing, and the two clocks

    def _pass_fence(self, waiter: Waiter) -> None:
        if waiter in self._fenced:
            self._fenced.remove(waiter)
            self.ask(waiter)

    def _refuse_held(self) -> None:
        while self._held and self._may_go_by_what_is_known():
            self._pop().refused(self._problem())

    def _release(self) -> None:
        while self._may_release():
            assert self.target is not None, "the gate is open"
            waiter = self._pop()
            self._opening.add(waiter)
            with contained("a request that waited"):
                waiter.admitted(self.target)
        if self._held and self.target is not None and self._step is None:
            self._step = self._loop.call_later(STEP_S, self._widen)

    def _may_release(self) -> bool:
        is_open = self._held and self.target is not None and len(self._opening) < self._window
        return bool(is_open) and self._may_go_by_what_is_known()

    def _may_go_by_what_is_known(self) -> bool:
        """Whether all that was written before the first held request has had its effect."""
        if self._is_current():
            return True
        _, mark = next(iter(self._held.values()))
        return self.last_mark is not None and self.is_past(max(mark, self._mark))

    def _mark_now(self) -> int:
        if self.last_mark is None:
            return 0
        self._is_current()  # which sees what was written so far
        return self.last_mark()

    def _widen(self) -> None:
        self._step = None
        if not self._is_answering:
            self._window = max(self._window + 1, min(2 * self._window, FEW_REQUESTS))
        self._is_answering = False
        self._release()

    def _scouted(self, answered: bool) -> None:
        if self._first_request is not None and not self._first_request.answered.done():
            self._first_request.answered.set_result(answered)
        self._first_request = None

    def _pop(self) -> Waiter:
        waiter = next(iter(self._held))
        del self._held[waiter]
        return waiter

    def _ask_suspects_again(self) -> None:
        for waiter in list(self._unconfirmed):
            self._ask_suspect_again(waiter)

    def _ask_suspect_again(self, waiter: Waiter) -> None:
        self._unconfirmed.pop(waiter).cancel()
        self.ask(waiter)

    def _watch_timeout(self) -> None:
        if self._timeout is None and self._held:
            first, _ = next(iter(self._held.values()))
            self._timeout = self._loop.call_at(first, self._expire)

    def _show_start(self, waiter: Waiter) -> None:
        if waiter in self._held and self._starting is not None:
            del self._held[waiter]
            waiter.refused(self._starting.problem())

    def _expire(self) -> None:
        self._timeout = None
        now = self._loop.time()
        while self._held and next(iter(self._held.values()))[0] <= now:
            with contained("a request that waited"):
                self._pop().refused(self._overdue())
        self._watch_timeout()
