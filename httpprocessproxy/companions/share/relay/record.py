"""A visit as it went: what the log and the metrics are told."""

from collections.abc import Callable
from dataclasses import dataclass

from httpprocessproxy.companions.share.relay.visit import VisitOutcome


@dataclass(slots=True)
class AccessRecord:
    """Filled while the visit goes on. `path` is without its query, which may be a secret."""

    host: str
    method: str
    path: str
    ip: str
    outcome: VisitOutcome = VisitOutcome.LEFT
    status: int = 0
    sent_bytes: int = 0
    duration_s: float = 0.0


Tell = Callable[[AccessRecord], None]
