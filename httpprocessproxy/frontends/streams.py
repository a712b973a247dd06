"""The interface between an HTTP version and the code that answers its requests.

A connection calls a `Handler` with the head of each request and a `Stream` for the response, and
passes the rest of the request to the `RequestSink` that the handler returns. All calls are
synchronous, on the event loop's thread; back-pressure works in both directions. No call follows
`reset`, in either direction, or the end of both sides; only `consumed` and `stop_reading` may, and
have no effect.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from httpprocessproxy.core.http.headers import HOP_BY_HOP

Fields = Sequence[tuple[bytes, bytes]]

# Fields of a response that do not pass: those of a connection (RFC 9113 section 8.2.2, RFC 9114
# section 4.2), and Alt-Svc (RFC 7838), which describes the backend, not the proxy.
NOT_PASSED: Final = HOP_BY_HOP | {b"alt-svc"}


class StreamReset(enum.Enum):
    """The reason for a reset; each version has its own error codes (RFC 9113 7, RFC 9114 8.1)."""

    CANCELLED = "the rest is not needed"
    INTERNAL = "the response cannot be completed"
    REFUSED = "not processed at all: the client may retry"


class Head(NamedTuple):
    """The head of a validated request: lower-case names, no connection-specific fields.

    version    the HTTP version; 1.1 for the visits of a share, see below
    path       the target in origin form (or `*`)
    protocol   `:protocol` of an extended CONNECT (RFC 8441, RFC 9220), e.g. b"websocket"
    client     (address, port), as `server`
    has_ended  the request has no body
    memo       results that a handler derives from all but the path and the body; heads that differ
               in these only share one dictionary

    In a share's visit, names are spelled as received, except Content-Length; a request with
    `protocol` has its own handshake (RFC 6455 section 4.1), and is answered with 101; and the
    sink's first call shows whether a request without Content-Length has a body.
    """

    version: Literal["1.1", "2", "3"]
    method: bytes
    authority: bytes
    path: bytes
    fields: Fields
    protocol: bytes | None
    client: tuple[str, int]
    server: tuple[str, int]
    has_ended: bool = False
    memo: dict[object, object] | None = None


class Stream(Protocol):
    """The response side of one request, implemented by each HTTP version."""

    def interim(self, status: int, fields: Fields) -> None:
        """Send a 1xx response."""

    def head(self, status: int, fields: Fields) -> None:
        """Begin the response. Connection-specific fields are left out."""

    def body(self, data: bytes) -> None:
        """Send a part of the body. A full send buffer makes the stream call `RequestSink.pause`."""

    def end(self, trailers: Fields = ()) -> None:
        """End the response."""

    def reset(self, why: StreamReset) -> None:
        """End the stream early; the client sees that the response is incomplete."""

    def consumed(self, size_bytes: int) -> None:
        """Open the client's window by `size_bytes` of the request's body that were passed on."""

    def stop_reading(self) -> None:
        """Discard the rest of the request's body (RFC 9114 section 4.1, STOP_SENDING).

        It opens the window by all bytes that were received: afterwards, `consumed` has no effect.
        """


class RequestSink(Protocol):
    """The receiver of one request's body, implemented by the handler."""

    def body(self, data: bytes) -> None:
        """Take a part of the request's body; the sink later calls `Stream.consumed` for it."""

    def end(self, trailers: Fields = ()) -> None:
        """Take the end of the request."""

    def reset(self) -> None:
        """Abandon the request: the client has cancelled it or disconnected."""

    def pause(self) -> None:
        """Stop sending the response for now: the client reads slowly."""

    def resume(self) -> None:
        """Continue sending the response after `pause`."""


Handler = Callable[[Head, Stream], RequestSink]
