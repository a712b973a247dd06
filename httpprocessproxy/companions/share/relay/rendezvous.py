"""Where visits and workers meet: what the relay asks of it, whatever keeps its state.

`memory.py` keeps it in this process, `shared/` in Redis, for many relays that serve the same hosts.
Both pass the same tests. A transport (`polls.py`, `share/stream/`) needs `Waiters.next_visit` of
`waiters.py` for its worker, and then the `VisitDelivery` that this returns:

    delivery.head, .body        send them to the worker
    delivery.delivered()        ... all of it is written
    delivery.give_back()        ... or nothing of it can be: the worker has gone
    delivery.over()             meanwhile: the visitor has left, the worker need not go on
    delivery.answering()        the worker answers: `begin(head)`, then `body.send(piece)`, `.end()`
    delivery.refuse(error)      it cannot, and the visitor is told so
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import PipeSink, Source
from httpprocessproxy.companions.share.relay.visit import RelayVisit, VisitError

# For how long a host is remembered whose worker has gone (it may be on its way back).
REMEMBERED_S = 60.0

# A link that streams says that it is there more often than this.
STREAM_FRESH_S = 15.0


class Answering(Protocol):
    """The right to answer a visit, which somebody has once."""

    @property
    def body(self) -> PipeSink:
        """Where the answer's body goes. Cut by us: the visitor's answer is cut, too."""
        ...

    def begin(self, head: AnswerHead) -> None:
        """Give the head, before anything of the body."""
        ...

    def refuse(self, error: VisitError) -> None:
        """Tell the visitor of an error, in place of an answer."""
        ...


class VisitDelivery(Protocol):
    """A visit that was taken for one worker's call."""

    @property
    def head(self) -> VisitHead: ...

    @property
    def is_tunnel(self) -> bool:
        """Whether it asks for an Upgrade: after a 101 both bodies are the bytes of the tunnel."""
        ...

    @property
    def body(self) -> Source:
        """What the visitor sends. Cut: the visitor has left."""
        ...

    def delivered(self) -> None:
        """All of it was written. The deadline for the answer begins here."""
        ...

    def give_back(self) -> None:
        """Nothing of it reached the worker: let another have it, or tell the visitor."""
        ...

    async def answering(self) -> Answering | None:
        """Take the right to answer; None if the visit is answered or over."""
        ...

    def refuse(self, error: VisitError) -> None:
        """Tell the visitor of an error, unless the answer has begun; then it is cut."""
        ...

    async def over(self) -> None:
        """Wait until nobody waits for the visit any more, or for more of it."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of a host's workers.

    `idle_s` is how long ago one called, or had its call ended; inf: not within REMEMBERED_S. `busy`
    are the visits in their hands. `streams`: one takes bodies of any length, and tunnels.
    """

    idle_s: float = math.inf
    busy: int = 0
    streams: bool = False

    def within(self, time_s: float) -> bool:
        """Whether there is one, or was so lately that it may be back."""
        return self.busy > 0 or self.idle_s <= time_s


class Rendezvous(Protocol):
    """All that is known of visits and workers. Hosts are names in lower case."""

    def on_entered(self, ring: Callable[[str], None]) -> None:
        """Call `ring` with the host of each visit that may be taken, however it came there."""
        ...

    async def enter(self, visit: RelayVisit) -> None:
        """Let a visit wait for a worker. Raises VisitError if too many wait."""
        ...

    async def withdraw(self, visit: RelayVisit) -> bool:
        """Let nobody take a visit any more; False if somebody has taken it before."""
        ...

    def leave(self, visit: RelayVisit) -> None:
        """Its visitor has the answer or has gone: nobody gets it now, and no answer counts."""
        ...

    async def take(self, host: str, tunnels: bool) -> VisitDelivery | None:
        """Take the visit that has waited longest, if any, for a worker that can or cannot do
        `tunnels`. Cancelled, it has taken none."""
        ...

    async def answering(self, rid: str, host: str) -> Answering | None:
        """Take the right to answer a visit that a worker of this very host has; None if there is no
        such visit, or somebody had that right before."""
        ...

    async def saw(self, host: str, streams: bool = False) -> None:
        """A worker of this host is here now, or was until now."""
        ...

    async def presence(self, host: str) -> Presence: ...
