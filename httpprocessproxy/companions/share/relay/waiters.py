"""The queue of workers' calls that wait for a visit, first come, first served.

The rule: a waiting call holds a place in a queue, and only the first call may take a visit. A call
that ends leaves the queue at once, before a visit can be assigned to it.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous, VisitDelivery


class _CallQueue:
    """The calls that wait for the visits of one host.

    asyncio.Lock is fair, so its waiters are the queue.
    """

    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.changed = asyncio.Event()
        self.length = 0
        self.releases = 0  # a call that began before the latest release ends without a visit


class Waiters:
    """Two queues for each host: calls that accept tunnels, and calls that do not."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._queues: defaultdict[tuple[str, bool], _CallQueue] = defaultdict(_CallQueue)
        self._is_closed = False
        rendezvous.on_queued(self._wake_first)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of waiting calls, for each host that ever had one."""
        counts: Counter[str] = Counter()
        for (host, _), queue in self._queues.items():
            counts[host] += queue.length
        return counts

    @property
    def is_closed(self) -> bool:
        """Whether all calls were released and no further call gets a visit."""
        return self._is_closed

    async def next_visit(
        self, host: str, hold_s: float, is_gone: Callable[[], bool], tunnels: bool = False
    ) -> VisitDelivery | None:
        """Wait up to `hold_s` for a visit of a host; None at the timeout and at `release`.

        `is_gone` is checked just before a visit is taken. A cancelled call has taken none.
        """
        queue = self._queues[host, tunnels]
        queue.length += 1
        releases = queue.releases
        try:
            async with asyncio.timeout(hold_s), queue.first:
                while not self._is_closed and releases == queue.releases and not is_gone():
                    queue.changed.clear()
                    delivery = self._rendezvous.take(host, tunnels)
                    if delivery is not None:
                        return delivery
                    await queue.changed.wait()
        except TimeoutError:
            pass
        finally:
            queue.length -= 1
        return None

    def release(self) -> None:
        """End all calls without a visit; workers whose token is still valid call again."""
        for queue in self._queues.values():
            queue.releases += 1
            queue.changed.set()

    def close(self) -> None:
        """End all present and future calls without a visit."""
        self._is_closed = True
        self.release()

    def _wake_first(self, host: str) -> None:
        for tunnels in (True, False):
            if (host, tunnels) in self._queues:
                self._queues[host, tunnels].changed.set()
