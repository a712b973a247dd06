"""A visit as it went: what the log and the metrics are told."""

from collections.abc import Callable
from dataclasses import dataclass

from httpprocessproxy.share.relay.visit import Outcome


@dataclass(slots=True)
class Record:
    """Filled while the visit goes on. `path` is without its query, which may be a secret."""

    host: str
    method: str
    path: str
    ip: str
    outcome: Outcome = Outcome.LEFT
    status: int = 0
    sent_bytes: int = 0
    duration_s: float = 0.0


Tell = Callable[[Record], None]
