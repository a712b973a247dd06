"""The life of a request: a pure state machine, `TRANSITIONS[phase][event] -> (phase, command)`.

    WAITING    at the gate, or a connection for it is being made
    SENT       sent to a server, which has not begun its final response
    ANSWERING  its response has begun
    UPLOADING  its response is complete, and the rest of its body still passes
    OVER       nothing more happens

A restart never fails a request that did not reach the backend, nor a safe one without a response
byte passed on: both return to the gate, for the next backend. Any other request may have taken
effect, and is never sent twice (RFC 9110 section 9.2.2). A response that has begun is cut, so that
the client detects it. `proxy/exchange.py` obeys the commands.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# A safe request seldom has a body; one up to this size is buffered, so that it can be sent again.
MAX_KEPT_BODY_BYTES: Final = 64 * 1024


class Phase(enum.IntEnum):
    WAITING = 0
    SENT = 1
    ANSWERING = 2
    UPLOADING = 3
    OVER = 4


class ExchangeEvent(enum.IntEnum):
    SENT = 0  # the request was written to a connection
    BEGAN = 1  # the final response begins
    ENDED = 2  # the response is complete, and nothing of the request is left to pass on
    ENDED_EARLY = 3  # the response is complete before the request
    READ = 4  # the request is complete
    SWITCHED = 5  # the response is a 101
    UNSERVED = 6  # the connection is lost, and the request may be sent again
    DOUBTED = 7  # the connection is lost, and the backend may have died: its end decides
    FAILED = 8  # the connection is lost or useless, and the request cannot be sent again
    LEFT = 9  # the client has left


class ExchangeCommand(enum.Enum):
    """The action for the shell; the data that it needs comes with the event."""

    NOTHING = "nothing"
    PASS = "pass the response on"
    ENTER = "enter the gate"
    SUSPECT = "wait for the end of the backend, or for a sign of its life"
    RESPOND = "respond in place of the backend"
    TUNNEL = "pass bytes in both directions"
    COMPLETE = "end the exchange after its whole response"
    CUT = "abort the response that has begun"
    CANCEL = "end the exchange without a response"


# An event without a row cannot happen in its phase: a KeyError is a bug of the shell.
TRANSITIONS: Final[Mapping[Phase, Mapping[ExchangeEvent, tuple[Phase, ExchangeCommand]]]] = {
    Phase.WAITING: {
        ExchangeEvent.SENT: (Phase.SENT, ExchangeCommand.NOTHING),
        ExchangeEvent.UNSERVED: (Phase.WAITING, ExchangeCommand.ENTER),
        ExchangeEvent.DOUBTED: (Phase.WAITING, ExchangeCommand.SUSPECT),
        ExchangeEvent.FAILED: (Phase.OVER, ExchangeCommand.RESPOND),
        ExchangeEvent.LEFT: (Phase.OVER, ExchangeCommand.CANCEL),
    },
    Phase.SENT: {
        ExchangeEvent.BEGAN: (Phase.ANSWERING, ExchangeCommand.PASS),
        ExchangeEvent.SWITCHED: (Phase.OVER, ExchangeCommand.TUNNEL),
        ExchangeEvent.UNSERVED: (Phase.WAITING, ExchangeCommand.ENTER),
        ExchangeEvent.DOUBTED: (Phase.WAITING, ExchangeCommand.SUSPECT),
        ExchangeEvent.FAILED: (Phase.OVER, ExchangeCommand.RESPOND),
        ExchangeEvent.LEFT: (Phase.OVER, ExchangeCommand.CANCEL),
    },
    Phase.ANSWERING: {
        ExchangeEvent.ENDED: (Phase.OVER, ExchangeCommand.COMPLETE),
        ExchangeEvent.ENDED_EARLY: (Phase.UPLOADING, ExchangeCommand.NOTHING),
        # A response that has begun is not repeated: the client would get parts of two.
        ExchangeEvent.UNSERVED: (Phase.OVER, ExchangeCommand.CUT),
        ExchangeEvent.DOUBTED: (Phase.OVER, ExchangeCommand.CUT),
        ExchangeEvent.FAILED: (Phase.OVER, ExchangeCommand.CUT),
        ExchangeEvent.LEFT: (Phase.OVER, ExchangeCommand.CANCEL),
    },
    Phase.UPLOADING: {
        ExchangeEvent.READ: (Phase.OVER, ExchangeCommand.COMPLETE),
        # The response is complete: the rest of the request is not needed any more.
        ExchangeEvent.UNSERVED: (Phase.OVER, ExchangeCommand.COMPLETE),
        ExchangeEvent.DOUBTED: (Phase.OVER, ExchangeCommand.COMPLETE),
        ExchangeEvent.FAILED: (Phase.OVER, ExchangeCommand.COMPLETE),
        ExchangeEvent.LEFT: (Phase.OVER, ExchangeCommand.CANCEL),
    },
    Phase.OVER: {ExchangeEvent.LEFT: (Phase.OVER, ExchangeCommand.NOTHING)},
}


class Loss(enum.Enum):
    """The cause for which a request lost its backend connection."""

    REFUSED = "the connection could not be made"
    HUNG_UP = "the backend closed it without an answer"
    BROKEN_OFF = "the backend closed it in the middle of its answer"
    RESTARTED = "the backend is being restarted, or has ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a request at the loss of its connection.

    sent        bytes of it were written to a connection, and a server may have read them
    repeatable  its method is safe and every byte sent of it is buffered
    reused      the connection had served a request before
    suspected   the backend was suspected to have died, and was found alive
    """

    sent: bool
    repeatable: bool
    reused: bool
    suspected: bool


def event_of(loss: Loss, progress: Progress) -> ExchangeEvent:
    """Return the event that a lost backend connection is to its request."""
    if progress.sent and not progress.repeatable:
        return ExchangeEvent.FAILED
    if loss is Loss.RESTARTED or (loss is Loss.HUNG_UP and progress.reused):
        # RFC 9112 section 9.3.1: an idle connection may close at any time; only a failure of a
        # new one is an error of the backend.
        return ExchangeEvent.UNSERVED
    # A connection may break a moment before the end of the process is reported.
    return ExchangeEvent.FAILED if progress.suspected else ExchangeEvent.DOUBTED
