"""The gate: the queue of requests that wait for the backend.

The supervisor opens and closes it, requests enter and exit it. It only decides the order: held
requests are released first come, first served, a few at a time, and no new request overtakes them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.state import Requests
from httpprocessproxy.service.verdict_queue import VerdictQueue
from httpprocessproxy.service.waiter import Freshness, Problems, Target, Waiter
from httpprocessproxy.system.faults import contained

# A listen backlog of 10 (Django's) overflows when all held requests connect at once, and the
# kernel tries again after 1 s; and many requests that start together are all answered late. So
# requests are released as TCP sends (RFC 5681 section 3.1): one at first, one more for each
# response up to FEW_REQUESTS, and then one more for each round of responses. A step of time
# without any response doubles the window, or adds one: a long poll must not block all others.
FIRST_REQUESTS: Final = 1
FEW_REQUESTS: Final = 8
STEP_S: Final = 0.025


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Time limits of held requests, in seconds.

    `queue_s` is the wait until a 503, and `starting_page_s` the wait of a navigation until the page
    that shows the start, if any. `suspicion_s` after its connections broke the supervisor may learn
    of a process's end.
    """

    queue_s: float
    starting_page_s: float | None = None
    suspicion_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _FirstRequest:
    """The request that is sent before the backend is known to be ready."""

    waiter: Waiter
    target: Target
    answered: asyncio.Future[bool]


class Gate:
    """Holds, admits or refuses requests. Use it on the event loop's thread only."""

    def __init__(self, limits: GateLimits, problems: Problems, freshness: Freshness) -> None:
        self.freshness = freshness
        self._mark = 0  # at the last opening or refusal
        self.answers = 0  # the number of responses that have begun
        self._is_current = freshness.is_current
        self._limits = limits
        self._problems = problems
        self._loop = asyncio.get_running_loop()
        self._requests = Requests.HOLD
        self._problem = problems.overdue
        self.target: Target | None = None
        self.generation: GenerationId | None = None  # the last one that answered
        # In order of arrival, each with the time of its timeout and the mark of its changes.
        self._held: dict[Waiter, tuple[float, int]] = {}
        self._timeout: asyncio.TimerHandle | None = None
        self._first_request: _FirstRequest | None = None
        self._opening: set[Waiter] = set()  # released and not answered yet
        self._window = 0.0
        self._is_answering = False  # since the last step
        self._step: asyncio.TimerHandle | None = None
        self._unconfirmed: dict[Waiter, asyncio.TimerHandle] = {}
        self._fenced: set[Waiter] = set()  # waiting for a fence, and not held yet
        self.on_held: Callable[[], None] = lambda: None  # called for each request that is held
        self.verdicts: VerdictQueue | None = None  # only with --before
        self._pending = 0
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def has_pending(self) -> bool:
        """Whether a response is pending that a restart would lose."""
        return self._pending > 0

    # Called by the supervisor

    def hold(self) -> None:
        """Hold requests."""
        self._requests, self.target = Requests.HOLD, None
        self._settle_first_request(False)
        self._readmit_all_unconfirmed()

    def open(self, target: Target) -> None:
        """Admit requests, held ones first."""
        self._requests, self.target = Requests.FORWARD, target
        self.generation = target.generation
        self._window = float(FIRST_REQUESTS)
        self._opening.clear()
        self._settle_first_request(False)
        self._mark = self.freshness.mark()
        self._release()
        self._readmit_all_unconfirmed()

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        """Admit the first safe held request to a backend that may be ready.

        It is sent on the target's connection. The future's result is whether it was answered.
        Returns None without such a request.
        """
        waiter = next((waiter for waiter in self._held if waiter.is_safe), None)
        if waiter is None or not self._is_current():
            return None
        del self._held[waiter]
        self._first_request = _FirstRequest(waiter, target, self._loop.create_future())
        answered = self._first_request.answered
        waiter.admitted(target)
        return answered

    def refuse(self, problem: Callable[[], Problem]) -> None:
        """Refuse all requests, including the held ones; `problem` is called for each of them."""
        self._requests, self.target, self._problem = Requests.REFUSE, None, problem
        self._mark = self.freshness.mark()
        self._refuse_held()
        self._readmit_all_unconfirmed()

    def resume(self) -> None:
        """Release or refuse requests held because of changes that turned out to have no effect."""
        if self._requests is Requests.REFUSE:
            self._refuse_held()
        else:
            self._release()

    async def drained(self, timeout_s: float) -> None:
        """Wait until no response is pending that would be lost, for `timeout_s` seconds at most."""
        try:
            async with asyncio.timeout(timeout_s):
                # Another one may become pending before this task is resumed.
                while self._pending:
                    await self._drained.wait()
        except TimeoutError:
            pass

    @property
    def held(self) -> int:
        return len(self._held)

    def leads_to(self, target: Target) -> bool:
        """Whether a request admitted to `target` may still be sent there."""
        return target == self.target or (
            self._first_request is not None and target is self._first_request.target
        )

    # Called by requests

    def common_target(self) -> Target | None:
        """Return the target of all requests that were read before this call.

        None if they have to `enter` one by one: they wait, are refused, or some need a fence.
        """
        needs_fence = self.freshness.fence is not None or self.verdicts is not None
        if self.target is None or self._held or needs_fence or not self._is_current():
            return None
        return self.target

    def enter(self, waiter: Waiter) -> bool:
        """Admit, refuse or hold an arriving request, after a fence if it needs one.

        If the watcher does not see changes at once, these requests need a fence: navigations,
        unsafe requests, and those with `wants_fence`. These also wait for the verdict of a build.
        Returns whether the request is decided.
        """
        if waiter.wants_fence and self.verdicts is not None:
            self.verdicts.enter(waiter)
            return False
        fence = self.freshness.fence
        if fence is None or not (waiter.wants_fence or waiter.is_navigation or not waiter.is_safe):
            return self.enter_unfenced(waiter)
        self._fenced.add(waiter)
        fence().add_done_callback(lambda _: self._pass_fence(waiter))
        return False

    def enter_unfenced(self, waiter: Waiter) -> bool:
        """Admit or refuse `waiter`, or hold it until one of the two is possible.

        Returns False if it is held.
        """
        if self.target is not None:
            if not self._held and self._is_current():
                waiter.admitted(self.target)
                return True
        elif self._requests is Requests.REFUSE and self._is_current():
            waiter.refused(self._problem())
            return True
        self._held[waiter] = self._loop.time() + self._limits.queue_s, self.freshness.mark()
        self._watch_timeout()
        self.on_held()
        if waiter.is_navigation and (after_s := self._limits.starting_page_s) is not None:
            self._loop.call_later(after_s, self._show_start, waiter)
        return False

    def hold_unconfirmed(self, waiter: Waiter) -> None:
        """Hold `waiter`, whose connection broke, until the backend's end is known or unlikely."""
        if self.target is None:
            self.enter_unfenced(waiter)
        else:
            timer = self._loop.call_later(
                self._limits.suspicion_s, self._readmit_unconfirmed, waiter
            )
            self._unconfirmed[waiter] = timer

    def answered(self, waiter: Waiter) -> None:
        """Record that the response to `waiter` has begun, and release further requests."""
        self.answers += 1
        if self._first_request is not None and waiter is self._first_request.waiter:
            self.generation = self._first_request.target.generation
            self._settle_first_request(True)
        if waiter in self._opening:
            self._opening.remove(waiter)
            self._window += 1 if self._window < FEW_REQUESTS else 1 / self._window
            self._is_answering = True
            self._release()

    def exit(self, waiter: Waiter) -> None:
        """Remove `waiter`: it is answered, its client has gone, or its connection broke."""
        if self.verdicts is not None:
            self.verdicts.exit(waiter)
        if not (
            self._held or self._unconfirmed or self._first_request or self._opening or self._fenced
        ):
            return  # the common case
        self._fenced.discard(waiter)
        self._held.pop(waiter, None)
        if (timer := self._unconfirmed.pop(waiter, None)) is not None:
            timer.cancel()
        if self._first_request is not None and waiter is self._first_request.waiter:
            self._settle_first_request(False)
        if waiter in self._opening:
            self._opening.remove(waiter)
            self._release()

    def pending_began(self) -> None:
        """Record a request that cannot be sent again: a restart waits for its response."""
        self._pending += 1
        self._drained.clear()

    def pending_ended(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._drained.set()

    # Releases and timers

    def _pass_fence(self, waiter: Waiter) -> None:
        if waiter in self._fenced:
            self._fenced.remove(waiter)
            self.enter_unfenced(waiter)

    def _refuse_held(self) -> None:
        while self._held and self._is_first_current():
            self._pop().refused(self._problem())

    def _release(self) -> None:
        while self._may_release():
            assert self.target is not None, "the gate is open"
            waiter = self._pop()
            self._opening.add(waiter)
            with contained("a held request"):
                waiter.admitted(self.target)
        if self._held and self.target is not None and self._step is None:
            self._step = self._loop.call_later(STEP_S, self._widen)

    def _may_release(self) -> bool:
        is_open = self._held and self.target is not None and len(self._opening) < self._window
        return bool(is_open) and self._is_first_current()

    def _is_first_current(self) -> bool:
        """Whether all changes before the first held request have taken effect."""
        if self._is_current():
            return True
        _, mark = next(iter(self._held.values()))
        return self.freshness.is_past(max(mark, self._mark))

    def _widen(self) -> None:
        self._step = None
        if not self._is_answering:
            self._window = max(self._window + 1, min(2 * self._window, FEW_REQUESTS))
        self._is_answering = False
        self._release()

    def _settle_first_request(self, answered: bool) -> None:
        if self._first_request is not None and not self._first_request.answered.done():
            self._first_request.answered.set_result(answered)
        self._first_request = None

    def _pop(self) -> Waiter:
        waiter = next(iter(self._held))
        del self._held[waiter]
        return waiter

    def _readmit_all_unconfirmed(self) -> None:
        for waiter in list(self._unconfirmed):
            self._readmit_unconfirmed(waiter)

    def _readmit_unconfirmed(self, waiter: Waiter) -> None:
        self._unconfirmed.pop(waiter).cancel()
        self.enter_unfenced(waiter)

    def _watch_timeout(self) -> None:
        if self._timeout is None and self._held:
            first, _ = next(iter(self._held.values()))
            self._timeout = self._loop.call_at(first, self._expire)

    def _show_start(self, waiter: Waiter) -> None:
        if waiter in self._held:
            del self._held[waiter]
            waiter.refused(self._problems.starting())

    def _expire(self) -> None:
        self._timeout = None
        now = self._loop.time()
        while self._held and next(iter(self._held.values()))[0] <= now:
            with contained("a held request"):
                self._pop().refused(self._problems.overdue())
        self._watch_timeout()
