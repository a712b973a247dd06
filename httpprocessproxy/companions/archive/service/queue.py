"""Who may download next, of those who wait. It is the queue of one process, in its memory.

The rule: a place that was promised counts as taken, until its download starts or it has not done
so for a while. Else all who wait would be let in one after the other, before anybody had started.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

PROMISE_S: Final = 60.0

Clock = Callable[[], float]


class QueuePlace:
    """One who waits. `leave` may be called by whoever sees that he has gone."""

    def __init__(self, queue: "Queue", id_: str) -> None:
        self._queue = queue
        self._id = id_
        self.has_left = False

    @property
    def position(self) -> int:
        """How many must end before it is his turn; below 0 it is."""
        return self._queue.position(self._id)

    def leave(self) -> None:
        self.has_left = True
        self._queue.change()


class Queue:
    """The downloads that run, and the tickets that wait until fewer do."""

    def __init__(self, limit: int, clock: Clock) -> None:
        """`clock` tells seconds."""
        self._limit = limit
        self._clock = clock
        self._waiting: list[str] = []
        self._promised: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def running(self, client: str) -> int:
        """The downloads of a client's tickets."""
        return self._running[client]

    def position(self, id_: str) -> int:
        """The place of a ticket that waits, and what is before all that do."""
        return self._waiting.index(id_) + self._taken() - self._limit

    def promise(self, id_: str) -> None:
        """Keep a place for a ticket whose turn it is."""
        self._promised[id_] = self._clock() + PROMISE_S

    @contextlib.contextmanager
    def waiting(self, id_: str) -> Iterator[QueuePlace | None]:
        """Stand in the queue while the context is open; None: the ticket does so already."""
        if id_ in self._waiting:
            yield None
            return
        self._waiting.append(id_)
        try:
            yield QueuePlace(self, id_)
        finally:
            self._waiting.remove(id_)
            self.change()

    @contextlib.contextmanager
    def downloading(self, id_: str, client: str) -> Iterator[None]:
        """Count a download while the context is open."""
        self._promised.pop(id_, None)
        self._running[client] += 1
        self.change()
        try:
            yield
        finally:
            self._running[client] -= 1
            self._running += Counter()  # forgets whoever has none
            self.change()

    def change(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def next_change(self) -> asyncio.Event:
        """To be had before one looks, or what changes until one waits would go unseen."""
        return self._changed

    async def wait_for(self, change: asyncio.Event) -> None:
        """Wait until a download starts or ends, somebody leaves, or a promise is forgotten."""
        ends = min(self._promised.values(), default=None)
        wait_s = None if ends is None else max(0.0, ends - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await change.wait()

    def _taken(self) -> int:
        now = self._clock()
        self._promised = {id_: until for id_, until in self._promised.items() if until > now}
        return self._running.total() + len(self._promised)
