"""The inbox of a service: events for its machine in order, with details that the machine ignores.

The first change of a burst is an event; the others only prolong the burst.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from httpprocessproxy.core.change.burst import Burst
from httpprocessproxy.core.state import Changed, Event, Exited, Machine, Ready, State
from httpprocessproxy.service.waiter import Target

_log = logging.getLogger(__name__)


class Inbox:
    """Queues events. For the event loop's thread only."""

    def __init__(self, machine: Machine, settle_s: float) -> None:
        """A burst of changes is over after `settle_s` seconds without one."""
        self._machine = machine
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._burst = Burst(settle_s)
        # The number of changes in this queue and those of `sources`: each request reads it.
        self.unhandled = 0
        self.paths: set[str] = set()  # of the last burst; grows while the server is being stopped
        self.why = ""  # the reason of the last change without paths
        self.target: Target | None = None  # of the generation that answered last
        # The inboxes whose changes delay requests here, in the order of starts, and the reverse.
        self.sources: Sequence[Inbox] = ()
        self.dependents: list[Inbox] = []
        self.on_change: Callable[[], None] = lambda: None  # called for each change

    def changed(self, paths: frozenset[str]) -> None:
        """Queue a change, or prolong the present burst."""
        _log.debug("changed: %s", ", ".join(sorted(paths)))
        if self._burst.event(time.monotonic()):
            self.put_changed(paths)
        else:
            self.on_change()
        self.paths |= paths

    def put_changed(self, paths: frozenset[str]) -> None:
        """Queue a change; without paths, a requested restart."""
        # In KILLING a restart is under way already, and its report collects further paths.
        if self._machine.state is not State.KILLING:
            self.paths = set(paths)
        self.on_change()
        for inbox in (self, *self.dependents):
            inbox.unhandled += 1
        self._events.put_nowait(Changed(paths))

    def restart(self, requested_by: str) -> None:
        """Queue a restart, as if a file had changed; `requested_by` is its source."""
        self.interrupt(f"restart asked for by {requested_by}")

    def interrupt(self, why: str) -> None:
        """Queue the end of the generation, as if a file had changed; `why` is the reason."""
        self.why = why
        self.put_changed(frozenset())

    def ready(self, generation: int, target: Target | None) -> None:
        """Queue that a generation is ready; it answers at `target`, if it listens anywhere."""
        self.target = target
        self._events.put_nowait(Ready(generation))

    def exited(self, generation: int, returncode: int | None) -> None:
        """Queue that a generation has ended, with its whole process tree."""
        self._events.put_nowait(Exited(generation, returncode))

    async def next(self) -> Event:
        """The next event. Call `done` after each."""
        event = await self._events.get()
        if isinstance(event, Changed):
            for inbox in (self, *self.dependents):
                inbox.unhandled -= 1
        return event

    def done(self) -> None:
        """Record that the last event has taken effect."""
        self._events.task_done()

    def keep_changes(self) -> None:
        """Drop all events except changes: their generation is gone."""
        events = [self._events.get_nowait() for _ in range(self._events.qsize())]
        for event in events:
            self._events.task_done()
            if isinstance(event, Changed):
                self._events.put_nowait(event)

    async def handled(self) -> None:
        """Wait until all queued events have taken effect, here and where requests depend on it."""
        for inbox in (*self.sources, self):
            await inbox._events.join()

    async def quiet(self) -> None:
        """Wait until the burst is over."""
        await until_over(self._burst)


async def until_over(burst: Burst) -> None:
    """Wait until a burst of changes is over."""
    # Its end is not an event: it is over when no change has come for a while.
    while (ends_at := burst.ends_at()) is not None and ends_at > time.monotonic():  # noqa: ASYNC110
        await asyncio.sleep(ends_at - time.monotonic())
