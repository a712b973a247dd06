"""The rendezvous of visits and workers: one queue of visits for each host, in memory.

A transport (`polls.py`, `share/stream/`) gets a `VisitDelivery` from `Waiters.next_visit`, and uses
it in this order:

    delivery.head, .body        send them to the worker
    delivery.delivered()        the whole visit is written ...
    delivery.requeue()          ... or the worker left before any of it was delivered
    delivery.over()             meanwhile: ends when the visitor has left
    delivery.answering()        the worker answers: `begin(head)`, `body.send(piece)`, `body.end()`
    delivery.refuse(error)      the worker cannot answer: the visitor gets an error page
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import PipeSink, Source
from httpprocessproxy.companions.share.relay.visit import (
    RelayVisit,
    VisitError,
    VisitOutcome,
    VisitSource,
    VisitState,
)

# The presence of a worker is remembered so long after its last call: it may be reconnecting.
REMEMBERED_S: Final = 60.0

# A streaming link reports its presence more often than this.
STREAM_FRESH_S: Final = 15.0

# The longest back-off of a worker whose relay was away for some seconds.
RETURN_S: Final = 8.0


class Answering:
    """The exclusive right to answer a visit."""

    def __init__(self, visit: RelayVisit) -> None:
        # The sink is cut when the visitor leaves; cutting it cuts the visitor's response.
        self.body: PipeSink = visit.answer
        self._visit = visit

    def begin(self, head: AnswerHead) -> None:
        """Send the head of the answer. Required before any of the body is sent."""
        self._visit.begin_answer(head)

    def refuse(self, error: VisitError) -> None:
        """Answer the visitor with an error page instead."""
        self._visit.fail(error)


class VisitDelivery:
    """A visit that the rendezvous has assigned to one call of a worker."""

    def __init__(self, rendezvous: "Rendezvous", visit: RelayVisit) -> None:
        self.head: VisitHead = visit.request.head
        # The visit requests an Upgrade; after a 101 both bodies are the bytes of the tunnel.
        self.is_tunnel = visit.request.is_tunnel
        self.has_body = not visit.request.body.is_empty
        # The source is cut when the visitor leaves.
        self.body: Source = VisitSource(visit)
        self._rendezvous = rendezvous
        self._visit = visit

    def delivered(self) -> None:
        """Record that the whole visit is written; the deadline for its answer begins."""
        self._visit.touch()

    def requeue(self) -> None:
        """Requeue a visit of which the worker received nothing; the second time it fails."""
        self._rendezvous.requeue(self._visit)

    def answering(self) -> Answering | None:
        """Claim the right to answer; None if the visit is answered or over."""
        return Answering(self._visit) if self._visit.claim() else None

    def refuse(self, error: VisitError) -> None:
        """Answer with an error page; an answer that has begun is cut."""
        self._visit.fail(error)

    async def over(self) -> None:
        """Wait until the visitor has its whole answer or has left."""
        await self._visit.over()


@dataclass(frozen=True, slots=True)
class Presence:
    """The presence of a host's workers.

    `idle_s` is the time since a call of a worker began or ended; inf beyond REMEMBERED_S. `busy` is
    the number of visits that workers have taken. `streams`: a worker streams bodies, and accepts
    tunnels.
    """

    idle_s: float = math.inf
    busy: int = 0
    streams: bool = False

    def within(self, time_s: float) -> bool:
        """Whether a worker is connected, or was at most `time_s` ago."""
        return self.busy > 0 or self.idle_s <= time_s


class _Host:
    """The queue and the presence of one host."""

    def __init__(self, seen_at: float) -> None:
        self.queue: deque[RelayVisit] = deque()
        self.seen_at = seen_at
        self.streamed_at = -math.inf
        self.taken: set[str] = set()


class Rendezvous:
    """All visits and the presence of all workers. Host names are in lower case."""

    def __init__(self, queue_limit: int) -> None:
        """At most `queue_limit` visits wait in the queue of one host."""
        self._queue_limit = queue_limit
        # A relay that has just started assumes that each host has a worker, about to reconnect.
        seen_at = time.monotonic() + RETURN_S
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(seen_at))
        self._visits: dict[str, RelayVisit] = {}
        self._notify: Callable[[str], None] = lambda host: None

    def on_queued(self, notify: Callable[[str], None]) -> None:
        """Call `notify(host)` whenever a visit is queued or requeued."""
        self._notify = notify

    # For visitors

    def enter(self, visit: RelayVisit) -> None:
        """Queue a visit for the workers of its host. Raises VisitError if the queue is full."""
        host = self._hosts[visit.request.host]
        if len(host.queue) >= self._queue_limit:
            raise VisitError(VisitOutcome.QUEUE_FULL, "too many visits wait")
        self._visits[visit.rid] = visit
        host.queue.append(visit)
        self._notify(visit.request.host)

    def withdraw(self, visit: RelayVisit) -> bool:
        """Remove a visit from the queue; False if a worker has taken it."""
        queue = self._hosts[visit.request.host].queue
        if visit not in queue:
            return False
        queue.remove(visit)
        return True

    def leave(self, visit: RelayVisit) -> None:
        """End a visit whose visitor has the answer or has left. Later answers are ignored."""
        if self._visits.pop(visit.rid, None) is None:
            return
        host = self._hosts[visit.request.host]
        if visit in host.queue:
            host.queue.remove(visit)
        host.taken.discard(visit.rid)
        visit.close()

    def presence(self, host: str) -> Presence:
        known = self._hosts[host]
        now = time.monotonic()
        idle_s = max(0.0, now - known.seen_at)
        return Presence(
            idle_s=idle_s if idle_s <= REMEMBERED_S else math.inf,
            busy=len(known.taken),
            streams=now - known.streamed_at <= STREAM_FRESH_S,
        )

    # For workers

    def record_presence(self, host: str, streams: bool = False) -> None:
        """Record that a worker of this host is connected, or has just disconnected."""
        known = self._hosts[host]
        known.seen_at = time.monotonic()
        if streams:
            known.streamed_at = known.seen_at

    def take(self, host: str, tunnels: bool) -> VisitDelivery | None:
        """Take the oldest visit of a queue, or None; a tunnel only if the worker `tunnels`."""
        known = self._hosts[host]
        waiting = (visit for visit in known.queue if visit.state is VisitState.QUEUED)
        visit = next((one for one in waiting if tunnels or not one.request.is_tunnel), None)
        if visit is None:
            return None
        known.queue.remove(visit)
        known.taken.add(visit.rid)
        visit.mark_taken()
        return VisitDelivery(self, visit)

    def requeue(self, visit: RelayVisit) -> None:
        """Return an undelivered visit to the front of the queue once; fail it the second time."""
        host = self._hosts[visit.request.host]
        if visit.state is not VisitState.TAKEN:
            return
        if visit.may_requeue:
            visit.mark_requeued()
            host.taken.discard(visit.rid)
            host.queue.appendleft(visit)
            self._notify(visit.request.host)
        else:
            visit.fail(VisitError(VisitOutcome.NO_ANSWER, "the worker with this visit has left"))

    def answering(self, rid: str, host: str) -> Answering | None:
        """Claim the right to answer a visit that a worker of this host has taken.

        None if the host has no such visit, or the right was claimed before.
        """
        visit = self._visits.get(rid)
        if visit is None or visit.request.host != host or not visit.claim():
            return None
        return Answering(visit)
