"""The interface between an HTTP version and the code that answers its requests.

A connection calls a `Handler` with the head of each request and a `Stream` for the response, and
passes the rest of the request to the `RequestSink` that the handler returns. All calls are
synchronous, on the event loop's thread; back-pressure goes both ways. No call follows `reset`, in
either direction, or the end of both sides.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Fields = Sequence[tuple[bytes, bytes]]


class StreamReset(enum.Enum):
    """Why a stream ends early; each version has its own codes for it (RFC 9113 7, RFC 9114 8.1)."""

    CANCELLED = "nobody wants the rest"
    INTERNAL = "the response cannot be completed"
    REFUSED = "not processed at all: it may be sent again"


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head, checked: names are lower-case, and no field belongs to one connection.

    `path` is the target in origin form (or `*`). `protocol` is that of an extended CONNECT
    (RFC 8441, RFC 9220), e.g. b"websocket". `client` and `server` are (address, port).
    """

    version: Literal["2", "3"]
    method: bytes
    authority: bytes
    path: bytes
    fields: Fields
    protocol: bytes | None
    client: tuple[str, int]
    server: tuple[str, int]


class Stream(Protocol):
    """The way back to a client, for one request."""

    def interim(self, status: int, fields: Fields) -> None:
        """Send a 1xx response."""

    def head(self, status: int, fields: Fields) -> None:
        """Begin the response. Fields of a connection are left out by whoever calls."""

    def body(self, data: bytes) -> None:
        """Send more of it. When too much waits, `RequestSink.pause` is called."""

    def end(self, trailers: Fields = ()) -> None:
        """The response is complete."""

    def reset(self, why: StreamReset) -> None:
        """End the stream so that the client can tell that the response is not whole."""

    def consumed(self, size_bytes: int) -> None:
        """So much of the request's body has been passed on: there is room for as much again."""

    def stop_reading(self) -> None:
        """The rest of the request's body is not wanted (RFC 9114 section 4.1, STOP_SENDING)."""


class RequestSink(Protocol):
    """One request with whoever answers it."""

    def body(self, data: bytes) -> None:
        """More of the request's body; `Stream.consumed` has to be called for it in time."""

    def end(self, trailers: Fields = ()) -> None:
        """The request is complete."""

    def reset(self) -> None:
        """The client has given up, or its connection is gone."""

    def pause(self) -> None:
        """No more of the response for now: the client is slow."""

    def resume(self) -> None:
        """Go on."""


Handler = Callable[[Head, Stream], RequestSink]
