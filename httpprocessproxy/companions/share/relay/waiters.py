"""The queue of workers' calls that wait for a visit, first come, first served.

The rule: a waiting call holds a place in a line, and only the first call may take a visit. A call
that ends leaves the line at once, before it can be given a visit.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous, VisitDelivery


class _WaitingLine:
    """The calls that wait for the visits of one host.

    asyncio.Lock is fair: its waiters are the line.
    """

    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.news = asyncio.Event()
        self.length = 0
        self.era = 0  # calls of an earlier era have been released


class Waiters:
    """Two lines for each host: calls that can take tunnels, and calls that cannot."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._lines: defaultdict[tuple[str, bool], _WaitingLine] = defaultdict(_WaitingLine)
        self._is_closed = False
        rendezvous.on_entered(self._ring)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of waiting calls, for each host that ever had one."""
        counts: Counter[str] = Counter()
        for (host, _), line in self._lines.items():
            counts[host] += line.length
        return counts

    @property
    def is_closed(self) -> bool:
        """Whether all calls are released, and no call gets a visit any more."""
        return self._is_closed

    async def next_visit(
        self, host: str, hold_s: float, is_gone: Callable[[], bool], tunnels: bool = False
    ) -> VisitDelivery | None:
        """Wait up to `hold_s` for a visit of a host; None at the timeout and at `release`.

        `is_gone` is checked just before a visit is taken. A cancelled call has taken none.
        """
        line = self._lines[host, tunnels]
        line.length += 1
        era = line.era
        try:
            async with asyncio.timeout(hold_s), line.first:
                while not self._is_closed and era == line.era and not is_gone():
                    line.news.clear()
                    delivery = self._rendezvous.take(host, tunnels)
                    if delivery is not None:
                        return delivery
                    await line.news.wait()
        except TimeoutError:
            pass
        finally:
            line.length -= 1
        return None

    def release(self) -> None:
        """End all calls without a visit: workers whose token still holds call again."""
        for line in self._lines.values():
            line.era += 1
            line.news.set()

    def close(self) -> None:
        """End all calls, and each later one."""
        self._is_closed = True
        self.release()

    def _ring(self, host: str) -> None:
        for tunnels in (True, False):
            if (host, tunnels) in self._lines:
                self._lines[host, tunnels].news.set()
