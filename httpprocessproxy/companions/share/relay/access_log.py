"""The access log: one line for each visit that has ended.

The rule: an entry is one line, whatever a visitor sent, and holds no secret: no query, no field.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from httpprocessproxy.companions.share.relay.visit import VisitOutcome

_log = logging.getLogger(__name__)

_MAX_PATH_CHARACTERS = 500


@dataclass(slots=True)
class AccessRecord:
    """One visit, for the log and the metrics: filled in while the visit proceeds.

    `path` lacks the query, which may be a secret.
    """

    host: str
    method: str
    path: str
    ip: str
    outcome: VisitOutcome = VisitOutcome.LEFT
    status: int = 0
    sent_bytes: int = 0
    duration_s: float = 0.0


# Called with the record of each visit that has ended.
OnEnded = Callable[[AccessRecord], None]


def write(record: AccessRecord) -> None:
    """Log a visit."""
    _log.info(
        '%s %s "%s %s" %s %s %d bytes %.1f ms',
        record.ip or "-",
        record.host,
        record.method,
        # Quotes and non-ASCII characters are escaped, so that a visitor cannot forge an entry.
        ascii(record.path[:_MAX_PATH_CHARACTERS])[1:-1].replace('"', "%22"),
        record.status or "-",
        record.outcome.value,
        record.sent_bytes,
        record.duration_s * 1000,
    )
