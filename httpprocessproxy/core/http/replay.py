"""Requests that lost their backend connection: retry, wait or fail (RFC 9110 section 9.2.2).

A restart never fails a request that did not reach the backend, nor a safe one without a response
byte passed on: both go to the next backend. Any other request may have taken effect, and is never
sent twice.
"""

import enum
from dataclasses import dataclass
from typing import Final

# A safe request seldom has a body; one up to this size is buffered, so that it can be sent again.
MAX_KEPT_BODY_BYTES: Final = 64 * 1024


class Loss(enum.Enum):
    """The cause for which a request lost its backend connection."""

    REFUSED = "the connection could not be made"
    HUNG_UP = "the backend closed it without an answer"
    BROKEN_OFF = "the backend closed it in the middle of its answer"
    RESTARTED = "the backend is being restarted, or has ended"


class Fate(enum.Enum):
    """The decision about a request that lost its backend connection."""

    AGAIN = "send it again now, on a new connection"
    GATE = "return to the gate: wait for the next backend, or get its 503"
    SUSPECT = "wait for a moment: the backend may have died"
    BAD_GATEWAY = "502: it may have taken effect"
    CUT = "cut the response that has begun, so that the client detects it"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a request at the loss of its connection.

    sent        bytes of it were written to a connection, and a server may have read them
    repeatable  its method is safe and every byte sent of it is buffered
    reused      the connection had served a request before
    answered    a byte of its final response has been passed on
    suspected   the backend was suspected to have died, and was found alive
    """

    sent: bool
    repeatable: bool
    reused: bool
    answered: bool
    suspected: bool


def fate(loss: Loss, progress: Progress) -> Fate:
    """Decide how to proceed with a request that lost its backend connection."""
    if progress.answered:
        return Fate.CUT
    if progress.sent and not progress.repeatable:
        return Fate.BAD_GATEWAY
    if loss is Loss.RESTARTED:
        return Fate.GATE
    if loss is Loss.HUNG_UP and progress.reused:
        # RFC 9112 section 9.3.1: an idle connection may close at any time; only a failure of a
        # new one is an error of the backend.
        return Fate.AGAIN
    if not progress.suspected:
        # A connection may break a moment before the end of the process is reported.
        return Fate.SUSPECT
    return Fate.BAD_GATEWAY
