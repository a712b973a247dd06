"""The queue of tickets that wait for a download slot; in memory, for one process.

The rule: a slot promised to a ticket counts as taken until its download starts or PROMISE_S have
passed. Otherwise all waiting tickets would get the same free slot before one download starts.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

PROMISE_S: Final = 60.0

Clock = Callable[[], float]


class QueuePlace:
    """The place of a waiting ticket. Call `leave` when its client has disconnected."""

    def __init__(self, queue: "Queue", id_: str) -> None:
        self._queue = queue
        self._id = id_
        self.has_left = False

    @property
    def position(self) -> int:
        """One less than the number of downloads that must end first; negative on its turn."""
        return self._queue.position(self._id)

    def leave(self) -> None:
        self.has_left = True
        self._queue.change()


class Queue:
    """The running downloads, and the tickets that wait until fewer than `limit` run."""

    def __init__(self, limit: int, clock: Clock) -> None:
        """`clock` returns seconds."""
        self._limit = limit
        self._clock = clock
        self._waiting: list[str] = []
        self._promised: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def running(self, client: str) -> int:
        """The number of running downloads of a client's tickets."""
        return self._running[client]

    def position(self, id_: str) -> int:
        """The position of a waiting ticket behind earlier tickets and running downloads."""
        return self._waiting.index(id_) + self._taken() - self._limit

    def promise(self, id_: str) -> None:
        """Reserve a slot for a ticket for PROMISE_S seconds."""
        self._promised[id_] = self._clock() + PROMISE_S

    @contextlib.contextmanager
    def waiting(self, id_: str) -> Iterator[QueuePlace | None]:
        """Hold a place in the queue while the context is open; None: the ticket has one already."""
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
            self._running += Counter()  # removes clients with a count of 0
            self.change()

    def change(self) -> None:
        """Wake all waiting tasks, to check their positions again."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def next_change(self) -> asyncio.Event:
        """The event of the next change. Get it before reading a position, or a change is missed."""
        return self._changed

    async def wait_for(self, change: asyncio.Event) -> None:
        """Wait until a download starts or ends, a ticket leaves the queue, or a promise expires."""
        ends = min(self._promised.values(), default=None)
        wait_s = None if ends is None else max(0.0, ends - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await change.wait()

    def _taken(self) -> int:
        now = self._clock()
        self._promised = {id_: until for id_, until in self._promised.items() if until > now}
        return self._running.total() + len(self._promised)
