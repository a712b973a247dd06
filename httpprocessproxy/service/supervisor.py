"""The supervisor: the shell around `core/state.py`. Events in through one queue, commands out.

On each transition it opens or closes the gate for requests, notifies the data plane, and reloads
browsers. Its `history` records the transitions, and publishes them on the event bus.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Collection
from typing import Protocol

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.change.burst import Burst
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.core.state import (
    Changed,
    Command,
    Event,
    Exited,
    Machine,
    Ready,
    Requests,
    State,
)
from httpprocessproxy.events import EventBus, PreloadStatus, ServiceStatus
from httpprocessproxy.process import Launcher, Output
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.generation import Generation, Start
from httpprocessproxy.service.history import History
from httpprocessproxy.service.outages import Outages
from httpprocessproxy.service.waiter import Starting, Target
from httpprocessproxy.watch import SharedFence, Watcher

# The prefix of the proxy's own lines in the server's output, which pages show.
OUR_MARK = "http-process-proxy: "

_log = logging.getLogger(__name__)


class Front(Protocol):
    """The data plane and the reload endpoint, which depend on the backend's state."""

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None: ...

    def give_up(self, problem: Problem) -> None: ...

    def end_generation(self, generation: GenerationId) -> None: ...

    def silence(self) -> Silence | None: ...

    def reload_browsers(self) -> None: ...


class Changes(Protocol):
    """File changes during a start, which are judged when the server answers."""

    @property
    def is_pending(self) -> bool: ...

    def answers(self) -> frozenset[str]: ...


class Marks(Protocol):
    """Numbers of changes that are judged asynchronously."""

    def mark(self) -> int: ...

    def is_past(self, mark: int) -> bool: ...


class Preload(Protocol):
    """The preloader, which makes starts warm; `cold_ms` is a cold start's duration, if known."""

    @property
    def cold_ms(self) -> float | None: ...

    def status(self) -> PreloadStatus: ...


class Supervisor:
    """Starts, stops and restarts one backend. Implements `generation.GenerationHost`."""

    def __init__(
        self,
        config: ServiceConfig,
        launcher: Launcher,
        output: Output,
        bus: EventBus,
        say: Callable[[str], None],
        preload: Preload | None = None,
    ) -> None:
        self._machine = Machine()
        cold_ms = preload.cold_ms if preload is not None else None
        self._history = History(bus, self._machine, cold_ms)
        self._outages = Outages(launcher, output, self._machine, self._history)
        starting = None
        if config.restart.starting_page_s is not None:
            starting = Starting(config.restart.starting_page_s, self._outages.starting)
        self.gate = Gate(
            config.restart.queue_timeout_s, self._outages.overdue, starting, self._is_current
        )
        self.say = say
        self._fence = SharedFence(self._pass_fence)
        self._watcher: Watcher | None = None
        self.changes: Changes | None = None
        self._unhandled = 0  # the number of changes in the queue
        self._config = config
        self._launcher = launcher
        self._output = output
        self._preload = preload
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._burst = Burst(config.watch.settle_s)
        self._paths: set[str] = set()
        self._requested_by = ""
        self._front: Front
        self._generation: Generation | None = None
        self._target: Target
        self._has_reported_reloader = False
        self._start_timeout: asyncio.TimerHandle | None = None

    async def run(self, front: Front) -> None:
        """Supervise until cancelled. On return, no process of the backend is left."""
        self._front = front
        async with asyncio.TaskGroup() as group:
            command = self._machine.start()
            self._history.began()
            self._watch_start()
            self._obey(command, group)
            group.create_task(self._fence.run(), name="fence")
            try:
                while True:
                    self._step(await self._events.get(), group)
                    self._events.task_done()
            finally:
                # Requests that lose their connections now must wait, not open new ones.
                self.gate.hold()

    @property
    def watcher(self) -> Watcher:
        assert self._watcher is not None, "it watches by now"
        return self._watcher

    def watch_by(self, watcher: Watcher, marks: Marks | None = None) -> None:
        """Set the watcher, which each request consults. Called before the gate first opens.

        `marks` numbers the changes that are judged asynchronously.
        """
        self._watcher = watcher
        if marks is not None:
            self.gate.last_mark = marks.mark
            self.gate.is_past = lambda mark: not self._unhandled and marks.is_past(mark)
        self._choose_fence()

    def _choose_fence(self) -> None:
        """Make requests wait for a fence unless the watcher reports all changes at once."""
        watcher = self._watcher
        needs_fence = watcher is not None and not watcher.is_immediate
        self.gate.fence = self._fence.passed if needs_fence else None

    async def fence(self) -> None:
        """Return once all writes before the call have taken effect on the state.

        Requests go on if the watcher does not answer in time; this method waits on.
        """
        while not await self._fence.passed():
            pass

    def settled(self) -> None:
        """Resume the gate: all changes that the watcher has seen are judged."""
        self.gate.resume()

    def changed(self, paths: frozenset[str]) -> None:
        """Handle changed files. The first of a burst is an event, the others only prolong it."""
        _log.debug("changed: %s", ", ".join(sorted(paths)))
        if self._burst.event(time.monotonic()):
            self._put_changed(paths)
        self._paths |= paths

    def restart(self, requested_by: str) -> None:
        """Restart the backend, as if a file had changed; `requested_by` is its source."""
        self._requested_by = requested_by
        self._put_changed(frozenset())

    def kill(self) -> None:
        """Kill the backend's process at once, without the grace period."""
        if self._generation is not None and self._generation.child is not None:
            self._generation.child.kill()

    def report_wait(self) -> None:
        """Print a line if the end of the program waits for the backend's graceful end."""
        restart = self._config.restart
        waits = self._generation is not None and self._generation.child is not None
        if waits and restart.kill_signal is not signal.SIGKILL:
            self.say(
                f"waiting for the server to end after {restart.kill_signal.name}, "
                f"{restart.kill_timeout_s:g} s at most: Ctrl+C kills it now"
            )

    def status(self) -> ServiceStatus:
        child = self._generation.child if self._generation is not None else None
        history = self._history
        return ServiceStatus(
            state=self._machine.state.value,
            generation=self._machine.generation,
            pid=child.pid if child is not None else None,
            watcher=self._watcher.description if self._watcher is not None else "",
            returncode=history.returncode,
            reason=history.reason,
            since=history.since,
            last_start=history.last_start,
            last_restart=history.last_restart,
            preload=self._preload.status() if self._preload is not None else None,
        )

    def _put_changed(self, paths: frozenset[str]) -> None:
        # In KILLING a restart is under way already, and its report collects further paths.
        if self._machine.state is not State.KILLING:
            self._paths = set(paths)
        self._unhandled += 1
        self._events.put_nowait(Changed(paths))

    def _is_current(self) -> bool:
        """Read the changes so far; return False if one is not handled yet.

        The gate calls this for each request: a response must not come from code before a save.
        """
        watcher = self._watcher
        return (watcher is None or watcher.catch_up()) and not self._unhandled

    async def _pass_fence(self) -> None:
        await self.watcher.fence()
        await self._events.join()

    def _step(self, event: Event, group: asyncio.TaskGroup) -> None:
        if isinstance(event, Changed):
            self._unhandled -= 1
        before = self._machine.state
        command = self._machine.handle(event)
        if command is not None:
            self._enter(before, event)
            self._obey(command, group)

    # Effects of a transition

    def _enter(self, before: State, event: Event) -> None:
        """Enter a new state: open or close the gate, and record the transition."""
        self._watch_start()
        self._choose_fence()  # a watcher at its limit falls back to polling, with a restart
        match self._machine.requests:
            case Requests.HOLD:
                self.gate.hold()
            case Requests.REFUSE:
                self.gate.refuse(self._outages.ended)
            case Requests.FORWARD:
                self.gate.open(self._target)
        self._history.entered(before, event, self._paths, self._requested_by)

    def _obey(self, command: Command, group: asyncio.TaskGroup) -> None:
        match command:
            case Command.START:
                id_ = GenerationId(self._config.name, self._machine.generation)
                self._generation = Generation(id_, self._config, self._launcher, self)
                group.create_task(self._run(self._generation), name=f"generation {id_}")
            case Command.STOP:
                assert self._generation is not None, "STOP comes after START"
                self._generation.stop.set()
            case Command.RELOAD_BROWSERS:
                self._front.reload_browsers()

    async def _run(self, generation: Generation) -> None:
        outcome = await generation.run()
        self._history.outcome = outcome
        self._events.put_nowait(Exited(generation.id.number, outcome.returncode))

    def _watch_start(self) -> None:
        """Set the timer that refuses requests when a start takes too long; the start goes on."""
        if self._start_timeout is not None:
            self._start_timeout.cancel()
            self._start_timeout = None
        if self._machine.state is State.LOADING:
            loop = asyncio.get_running_loop()
            self._start_timeout = loop.call_later(
                self._config.restart.start_timeout_s, self._refuse_until_it_answers
            )

    def _refuse_until_it_answers(self) -> None:
        timeout_s = self._config.restart.start_timeout_s
        self.report(
            f"the start takes longer than --start-timeout ({timeout_s:g} s): "
            f"requests get 503 until the server answers at {self._launcher.launch_spec.address}"
        )
        self.gate.refuse(self._outages.overdue)
        # The first request is with the server already, which may send interim responses only.
        self._front.give_up(self._outages.overdue())

    # Methods of generation.GenerationHost

    def report(self, text: str) -> None:
        self._output.remember(f"{OUR_MARK}{text}\n")
        self.say(text)

    def report_reloader(self, text: str) -> None:
        if not self._has_reported_reloader:
            self._has_reported_reloader = True
            self.say(f"{text} (each save restarts the server twice, and hides a crash)")

    def tail(self) -> bytes:
        lines = self._output.tail.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith(OUR_MARK.encode()))

    async def quiet(self) -> None:
        # The end of a burst is not an event: it is over when no change has come for a while.
        while (ends_at := self._burst.ends_at()) is not None and ends_at > time.monotonic():  # noqa: ASYNC110
            await asyncio.sleep(ends_at - time.monotonic())

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        # A request must not be answered by a start that a pending save may end.
        is_pending = self.changes is not None and self.changes.is_pending
        is_loading = self._machine.state is State.LOADING and not is_pending
        return self.gate.first_request(target) if is_loading else None

    def ready(self, target: Target) -> None:
        self._target = target
        if self.changes is not None and (paths := self.changes.answers()):
            self._put_changed(paths)
        self._events.put_nowait(Ready(target.generation.number))

    async def drained(self) -> None:
        await self.gate.drained(self._config.restart.drain_s)
        self._history.drained()

    def started(self, start: Start) -> None:
        self._history.started(start)

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        # If the backend exited by itself, the gate is still open: requests would join the queue of
        # a socket on which no server answers.
        self.gate.hold()
        self._front.reclaim_unaccepted(ends)

    def silence(self) -> Silence | None:
        return self._front.silence()

    def end_connections(self, generation: GenerationId) -> None:
        self._front.end_generation(generation)
