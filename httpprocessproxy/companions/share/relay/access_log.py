"""The access log: one line for each visit, when it is over.

The rule: a line is one line, whatever a visitor sent, and tells no secret: no query, no field.
"""

import logging

from httpprocessproxy.companions.share.relay.record import AccessRecord

_log = logging.getLogger(__name__)

_MAX_PATH_CHARACTERS = 500


def write(record: AccessRecord) -> None:
    """Log a visit."""
    _log.info(
        '%s %s "%s %s" %s %s %d bytes %.1f ms',
        record.ip or "-",
        record.host,
        record.method,
        # Quotes and what is not ASCII are escaped: nobody can write a line of their own.
        ascii(record.path[:_MAX_PATH_CHARACTERS])[1:-1].replace('"', "%22"),
        record.status or "-",
        record.outcome.value,
        record.sent_bytes,
        record.duration_s * 1000,
    )
