"""One request of an HTTP/3 connection, and the response on its way out (RFC 9114 section 4.1).

aioquic keeps what it has been given until the client acknowledges it. So it is given as much as a
client may be behind, and the rest waits here.
"""

import re
from collections import deque
from typing import Final, Protocol

from aioquic.h3.connection import ErrorCode

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.headers import HOP_BY_HOP
from httpprocessproxy.frontends.streams import Fields, Head, RequestSink, StreamReset
from httpprocessproxy.system.faults import contained

# What a loopback or a LAN holds in flight, as over HTTP/2; the visit goes on below the second.
MAX_UNACKNOWLEDGED_BYTES: Final = 256 * 1024
LOW_UNACKNOWLEDGED_BYTES: Final = 128 * 1024
PIECE_BYTES: Final = 64 * 1024

# RFC 9114 section 4.2; and where else we are is for us to say, not for the backend (RFC 7838).
_NOT_PASSED: Final = HOP_BY_HOP | {b"alt-svc"}

_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

_CODES: Final = {
    StreamReset.CANCELLED: ErrorCode.H3_REQUEST_CANCELLED,
    StreamReset.INTERNAL: ErrorCode.H3_INTERNAL_ERROR,
    StreamReset.REFUSED: ErrorCode.H3_REQUEST_REJECTED,
}


class StreamOwner(Protocol):
    """The connection of a stream, as the stream calls it."""

    def can_send(self, stream: "Http3Stream") -> bool:
        """Whether the client still takes data of this stream."""

    def unacknowledged_bytes(self, stream: "Http3Stream") -> int:
        """The bytes given to QUIC that the client has not acknowledged."""

    def send_fields(self, stream: "Http3Stream", fields: Fields, *, is_last: bool) -> None:
        """Send HEADERS."""

    def send_data(self, stream: "Http3Stream", data: bytes, *, is_last: bool) -> None:
        """Send DATA."""

    def send_end(self, stream: "Http3Stream") -> None:
        """End the response."""

    def sent(self, stream: "Http3Stream") -> None:
        """Transmit what was given since."""

    def reset(self, stream: "Http3Stream", code: ErrorCode) -> None:
        """Send RESET_STREAM and STOP_SENDING."""

    def consumed(self, stream: "Http3Stream", size_bytes: int) -> None:
        """Return `size_bytes` to the client's window."""

    def stop_reading(self, stream: "Http3Stream") -> None:
        """Discard the rest of the request's body."""


class Http3Stream:
    """A `Stream`. It is over when both sides have ended, or one has reset it."""

    __slots__ = (
        "_connection",
        "_has_ended",
        "_has_length",
        "_has_no_body",
        "_is_head",
        "_is_paused",
        "_trailers",
        "_waiting",
        "dropped_bytes",
        "has_request_ended",
        "has_response_ended",
        "id",
        "is_over",
        "missing_bytes",
        "request_trailers",
        "visit",
        "wants_body",
    )

    def __init__(self, connection: StreamOwner, stream_id: int) -> None:
        self.id = stream_id
        self.visit: RequestSink | None = None  # None for a request that was refused
        self.is_over = False
        self.has_request_ended = False
        self.has_response_ended = False  # aioquic has been given all of it
        self.wants_body = True
        self.dropped_bytes = 0  # of the request's body, which nobody wanted
        self.missing_bytes = 0  # of it, still to come, if it says how long it is
        self.request_trailers: Fields = ()
        self._connection = connection
        self._waiting: deque[memoryview] = deque()
        self._trailers: Fields = ()
        self._has_length = False
        self._is_head = False
        self._has_no_body = False
        self._has_ended = False
        self._is_paused = False

    # Stream: what the visit calls

    def interim(self, status: int, fields: Fields) -> None:
        self._send_head(status, fields)

    def head(self, status: int, fields: Fields) -> None:
        self._has_no_body = self._is_head or status in (204, 304)
        self._send_head(status, fields)

    def body(self, data: bytes) -> None:
        if data and not self._has_no_body:
            self._waiting.append(memoryview(data))
            self.send_some()

    def end(self, trailers: Fields = ()) -> None:
        self._trailers = trailers
        self._has_ended = True
        self.send_some()

    def reset(self, why: StreamReset) -> None:
        if not self.is_over:
            self._connection.reset(self, _CODES[why])

    def consumed(self, size_bytes: int) -> None:
        if self.wants_body and not self.is_over:
            self._connection.consumed(self, size_bytes)

    def stop_reading(self) -> None:
        if self.wants_body:
            self.wants_body = False
            self._connection.stop_reading(self)

    # What the connection calls

    def begin(self, head: Head) -> None:
        """Learn from the request what it says of bodies. Raises RequestError."""
        self._is_head = head.method == b"HEAD"
        lengths = {value for name, value in head.fields if name == b"content-length"}
        if lengths:
            length = lengths.pop()
            if lengths or _LENGTH.fullmatch(length) is None:
                raise RequestError(400, "a Content-Length that is no length")
            self._has_length = True
            self.missing_bytes = int(length)

    def takes(self, size_bytes: int) -> bool:
        """Whether so much more of the request's body is what its Content-Length says.

        aioquic looks at the end, when the excess would be somewhere else, as a second request.
        """
        if self._has_length:
            self.missing_bytes -= size_bytes
        return self.missing_bytes >= 0

    def abandon(self) -> None:
        """The client does not wait any more."""
        if self.visit is not None:
            with contained("a request"):
                self.visit.reset()

    @property
    def is_stalled(self) -> bool:
        """Whether it waits for acknowledgements."""
        return self._is_paused or bool(self._waiting)

    def send_some(self) -> None:
        """Give aioquic what there is room for, and let the visit go on, or wait."""
        if not self._connection.can_send(self):
            self._waiting.clear()  # the client has stopped it: the event that says so comes soon
            return
        room = MAX_UNACKNOWLEDGED_BYTES - self._connection.unacknowledged_bytes(self)
        while self._waiting and room > 0:
            piece = self._take()
            room -= len(piece)
            self.has_response_ended = self._ends_here
            self._connection.send_data(self, piece, is_last=self._ends_here)
        if self._has_ended and not self._waiting and not self.has_response_ended:
            self._send_end()
        self._regulate(room)
        self._connection.sent(self)

    def _send_end(self) -> None:
        self.has_response_ended = True
        if self._trailers:
            self._connection.send_fields(self, self._trailers, is_last=True)
        else:
            self._connection.send_end(self)

    @property
    def _ends_here(self) -> bool:
        return self._has_ended and not self._waiting and not self._trailers

    def _regulate(self, room: int) -> None:
        """Let the visit go on, or tell it to wait."""
        if self.visit is None or self._has_ended:
            self._is_paused = False
        elif self._is_paused:
            if room >= MAX_UNACKNOWLEDGED_BYTES - LOW_UNACKNOWLEDGED_BYTES:
                self._is_paused = False
                self.visit.resume()
        elif room <= 0:
            self._is_paused = True
            self.visit.pause()

    def _send_head(self, status: int, fields: Fields) -> None:
        passing = [field for field in fields if field[0] not in _NOT_PASSED]
        if self._connection.can_send(self):
            self._connection.send_fields(
                self, [(b":status", b"%d" % status), *passing], is_last=False
            )
            self._connection.sent(self)

    def _take(self) -> bytes:
        piece = self._waiting.popleft()
        if len(piece) > PIECE_BYTES:
            self._waiting.appendleft(piece[PIECE_BYTES:])
        return bytes(piece[:PIECE_BYTES])
