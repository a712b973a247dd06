"""The rendezvous of one relay process: all in memory, and gone with it."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.relay.pipe import PipeSink, Source
from httpprocessproxy.companions.share.relay.rendezvous import (
    REMEMBERED_S,
    STREAM_FRESH_S,
    Answering,
    Presence,
    VisitDelivery,
)
from httpprocessproxy.companions.share.relay.visit import (
    RelayVisit,
    VisitError,
    VisitOutcome,
    VisitSource,
    VisitState,
)

# How long workers take to come back to a relay that was gone for some seconds: their back-off.
RETURN_S = 8.0


class _Host:
    """What is known of one host."""

    def __init__(self, seen_at: float) -> None:
        self.queue: deque[RelayVisit] = deque()
        self.seen_at = seen_at
        self.streamed_at = float("-inf")
        self.taken: set[str] = set()


class Memory:
    """A `Rendezvous` for visits and workers of this process."""

    def __init__(self, queue_limit: int) -> None:
        """At most `queue_limit` visits wait for one host's workers."""
        self._queue_limit = queue_limit
        # Any worker may have been there until the relay ended that this one takes the place of.
        seen_at = time.monotonic() + RETURN_S
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(seen_at))
        self._visits: dict[str, RelayVisit] = {}
        self._ring: Callable[[str], None] = lambda host: None

    def on_entered(self, ring: Callable[[str], None]) -> None:
        self._ring = ring

    async def enter(self, visit: RelayVisit) -> None:
        host = self._hosts[visit.request.host]
        if len(host.queue) >= self._queue_limit:
            raise VisitError(VisitOutcome.QUEUE_FULL, "too many visits wait")
        self._visits[visit.rid] = visit
        host.queue.append(visit)
        self._ring(visit.request.host)

    async def withdraw(self, visit: RelayVisit) -> bool:
        queue = self._hosts[visit.request.host].queue
        if visit not in queue:
            return False
        queue.remove(visit)
        return True

    def leave(self, visit: RelayVisit) -> None:
        if self._visits.pop(visit.rid, None) is None:
            return
        host = self._hosts[visit.request.host]
        if visit in host.queue:
            host.queue.remove(visit)
        host.taken.discard(visit.rid)
        visit.close()

    async def take(self, host: str, tunnels: bool) -> VisitDelivery | None:
        known = self._hosts[host]
        waiting = (visit for visit in known.queue if visit.state is VisitState.QUEUED)
        visit = next((one for one in waiting if tunnels or not one.request.is_tunnel), None)
        if visit is None:
            return None
        known.queue.remove(visit)
        known.taken.add(visit.rid)
        visit.took()
        return _Taken(self, visit)

    def put_back(self, visit: RelayVisit) -> None:
        """Let the next worker have it, before all others, or tell the visitor."""
        host = self._hosts[visit.request.host]
        if visit.state is not VisitState.TAKEN:
            return
        if visit.may_return:
            visit.returned()
            host.taken.discard(visit.rid)
            host.queue.appendleft(visit)
            self._ring(visit.request.host)
        else:
            visit.fail(VisitError(VisitOutcome.NO_ANSWER, "the worker that had it has gone"))

    async def answering(self, rid: str, host: str) -> Answering | None:
        visit = self._visits.get(rid)
        if visit is None or visit.request.host != host or not visit.claim():
            return None
        return _Answer(visit)

    async def saw(self, host: str, streams: bool = False) -> None:
        known = self._hosts[host]
        known.seen_at = time.monotonic()
        if streams:
            known.streamed_at = known.seen_at

    async def presence(self, host: str) -> Presence:
        known = self._hosts[host]
        now = time.monotonic()
        idle_s = max(0.0, now - known.seen_at)
        return Presence(
            idle_s=idle_s if idle_s <= REMEMBERED_S else math.inf,
            busy=len(known.taken),
            streams=now - known.streamed_at <= STREAM_FRESH_S,
        )


class _Taken:
    """A `VisitDelivery`: the visit is here, so its calls are calls of the visit."""

    def __init__(self, rendezvous: Memory, visit: RelayVisit) -> None:
        self.head: VisitHead = visit.request.head
        self.is_tunnel = visit.request.is_tunnel
        self.body: Source = VisitSource(visit)
        self.delivered = visit.touch
        self.refuse = visit.fail
        self.over = visit.over
        self._rendezvous = rendezvous
        self._visit = visit

    def give_back(self) -> None:
        self._rendezvous.put_back(self._visit)

    async def answering(self) -> Answering | None:
        return _Answer(self._visit) if self._visit.claim() else None


class _Answer:
    """An `Answering`."""

    def __init__(self, visit: RelayVisit) -> None:
        self.body: PipeSink = visit.answer
        self.begin = visit.answered
        self.refuse = visit.fail
