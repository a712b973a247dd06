"""A detector of loops and retries: it remembers the visits of chains for some minutes. No I/O.

The rule: a visit is an Id and the remaining route. Each hop removes a step from the route, so a
chain that returns on its way has a shorter route, and passes. A repeated visit is a loop if another
hop sent it, and a retry if the same client sent it.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from httpprocessproxy.companions.chains.chain import MAX_HOPS, BadChain, Chain

# Counted from the last visit. A hop may take two minutes, and a chain ten hops.
REMEMBERED_S: Final = 20 * 60.0
# Each remembered chain takes some 400 bytes.
MAX_REMEMBERED: Final = 10_000

# The start and ten hops. A handler that adds a step at each visit makes every route differ, so the
# repetition of a route alone would never show such a loop.
MAX_VISITS: Final = MAX_HOPS + 1


@dataclass(slots=True)
class _Visits:
    """The visits of one chain; `senders` maps the digest of a route to that of its sender."""

    last_at: float
    senders: dict[bytes, bytes] = field(default_factory=dict)


class LoopDetector:
    """The chains of the last minutes; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._chains: dict[str, _Visits] = {}  # by lower-case Id, ordered by their last visits

    def enter(self, chain: Chain, now: float) -> None:
        """Remember a visit. Raises BadChain: 409 for a retry, 508 for a loop."""
        self._forget_old(now)
        visits = self._chains.get(chain.id.lower()) or _Visits(now)
        # The lists are equally long, and no element has a comma in it.
        route = _digest(",".join((*chain.to, *chain.queries, *chain.methods)))
        sender = _digest(chain.referer)
        if visits.senders.get(route) == sender:
            raise BadChain(409, "this X-Forward-Id has been used: send the request with another")
        if route in visits.senders or len(visits.senders) >= MAX_VISITS:
            raise BadChain(508, "the chain of this X-Forward-Id is a loop")
        self._chains.pop(chain.id.lower(), None)
        self._chains[chain.id.lower()] = visits
        visits.last_at = now
        visits.senders[route] = sender

    def leave(self, id: str) -> None:  # noqa: A002 - the field's name
        """Forget a chain that has ended with an error, so that its client may send it again."""
        self._chains.pop(id.lower(), None)

    def _forget_old(self, now: float) -> None:
        while self._chains:
            oldest, visits = next(iter(self._chains.items()))
            if now - visits.last_at <= REMEMBERED_S and len(self._chains) < MAX_REMEMBERED:
                break
            del self._chains[oldest]


def _digest(text: str) -> bytes:
    """A digest of 16 bytes: the text may be as long as the head of a request."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
