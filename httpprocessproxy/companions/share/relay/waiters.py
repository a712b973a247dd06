"""The workers' calls that wait for a visit, first come, first served.

The rule: who waits holds a place in a line, and only the first in it may take. A call that ends
leaves its place at once, before it can be given anything.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous, VisitDelivery


class _WaitingLine:
    """Who waits for the visits of one host. asyncio.Lock is fair: its waiters are the line."""

    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.news = asyncio.Event()
        self.length = 0
        self.era = 0  # who came in an earlier one has been let go


class Waiters:
    """All lines: for each host one of calls that can take tunnels, and one of those that cannot."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._lines: defaultdict[tuple[str, bool], _WaitingLine] = defaultdict(_WaitingLine)
        self._is_closed = False
        rendezvous.on_entered(self._ring)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many calls wait, for each host that ever had one."""
        counts: Counter[str] = Counter()
        for (host, _), line in self._lines.items():
            counts[host] += line.length
        return counts

    @property
    def is_closed(self) -> bool:
        """Whether all are let go, and nobody gets a visit any more."""
        return self._is_closed

    async def next_visit(
        self, host: str, hold_s: float, is_gone: Callable[[], bool], tunnels: bool = False
    ) -> VisitDelivery | None:
        """Wait for a visit of a host; None if there is none for so long, or the relay closes.

        `is_gone` is asked just before one is taken. Cancelled, it has taken none.
        """
        line = self._lines[host, tunnels]
        line.length += 1
        era = line.era
        try:
            async with asyncio.timeout(hold_s), line.first:
                while not self._is_closed and era == line.era and not is_gone():
                    line.news.clear()
                    delivery = await self._rendezvous.take(host, tunnels)
                    if delivery is not None:
                        return delivery
                    await line.news.wait()
        except TimeoutError:
            pass
        finally:
            line.length -= 1
        return None

    def release(self) -> None:
        """Let all go without a visit: who may still come, comes again."""
        for line in self._lines.values():
            line.era += 1
            line.news.set()

    def close(self) -> None:
        """Let all go, and any that comes."""
        self._is_closed = True
        self.release()

    def _ring(self, host: str) -> None:
        for tunnels in (True, False):
            if (host, tunnels) in self._lines:
                self._lines[host, tunnels].news.set()
