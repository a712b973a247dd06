"""May this request be sent a second time, and what happens to it if not (RFC 9110 section 9.2.2).

A save never costs a request: one that never reached the backend, or whose answer nobody has seen
and whose method is safe, goes to the next backend. Anything else may have taken effect, and
is never sent twice.
"""

import enum
from dataclasses import dataclass
from typing import Final

# A safe request seldom has a body; up to this size it is kept, so that it can be sent again.
MAX_KEPT_BODY_BYTES: Final = 64 * 1024


class Loss(enum.Enum):
    """How a request lost its backend connection."""

    REFUSED = "the connection could not be made"
    HUNG_UP = "the backend closed it without an answer"
    BROKEN_OFF = "the backend closed it in the middle of its answer"
    RESTARTED = "the backend is being restarted, or has ended"


class Fate(enum.Enum):
    """What becomes of the request."""

    AGAIN = "send it again now, on a new connection"
    GATE = "ask the gate again: wait for the next backend, or get its 503"
    SUSPECT = "wait for a moment: has the backend died?"
    BAD_GATEWAY = "502: it may have taken effect"
    CUT = "cut the response that has begun, so that the client can tell"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request got.

    sent        bytes of it were written to a connection, and a server may have read them
    repeatable  its method is safe and all that was sent of it is kept
    reused      the connection had served a request before
    answered    a byte of its final response has been passed on
    suspected   the backend was suspected to have died, and has not
    """

    sent: bool
    repeatable: bool
    reused: bool
    answered: bool
    suspected: bool


def fate(loss: Loss, progress: Progress) -> Fate:
    """Decide what becomes of a request that lost its backend connection."""
    if progress.answered:
        return Fate.CUT
    if progress.sent and not progress.repeatable:
        return Fate.BAD_GATEWAY
    if loss is Loss.RESTARTED:
        return Fate.GATE
    if loss is Loss.HUNG_UP and progress.reused:
        # RFC 9112 section 9.3.1: a kept connection may close at any time; a new one tells.
        return Fate.AGAIN
    if not progress.suspected:
        # A connection may break a moment before the end of the process is known.
        return Fate.SUSPECT
    return Fate.BAD_GATEWAY
