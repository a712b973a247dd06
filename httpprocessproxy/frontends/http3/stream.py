"""One request of an HTTP/3 connection, and the send buffer of its response (RFC 9114 section 4.1).

aioquic buffers data without a limit until the client acknowledges it. So it gets at most
MAX_UNACKNOWLEDGED_BYTES, and the rest is buffered here.
"""

import re
from collections import deque
from typing import Final, Protocol

from aioquic.h3.connection import ErrorCode

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.streams import NOT_PASSED, Fields, Head, RequestSink, StreamReset
from httpprocessproxy.system.faults import contained

# Above the bandwidth-delay product of loopback or a LAN, as over HTTP/2. The sink is resumed below
# the second value.
MAX_UNACKNOWLEDGED_BYTES: Final = 256 * 1024
LOW_UNACKNOWLEDGED_BYTES: Final = 128 * 1024
PIECE_BYTES: Final = 64 * 1024

_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

_CODES: Final = {
    StreamReset.CANCELLED: ErrorCode.H3_REQUEST_CANCELLED,
    StreamReset.INTERNAL: ErrorCode.H3_INTERNAL_ERROR,
    StreamReset.REFUSED: ErrorCode.H3_REQUEST_REJECTED,
}


class Http3StreamOwner(Protocol):
    """The interface of a connection to its streams."""

    def can_send(self, stream: "Http3Stream") -> bool:
        """Whether the stream still accepts data."""

    def unacknowledged_bytes(self, stream: "Http3Stream") -> int:
        """The number of bytes written to QUIC that the client has not acknowledged."""

    def send_fields(self, stream: "Http3Stream", fields: Fields, *, is_last: bool) -> None:
        """Send HEADERS."""

    def send_data(self, stream: "Http3Stream", data: bytes, *, is_last: bool) -> None:
        """Send DATA."""

    def send_end(self, stream: "Http3Stream") -> None:
        """End the response."""

    def sent(self, stream: "Http3Stream") -> None:
        """Transmit what was written."""

    def reset(self, stream: "Http3Stream", code: ErrorCode) -> None:
        """Send RESET_STREAM and STOP_SENDING."""

    def consumed(self, stream: "Http3Stream", size_bytes: int) -> None:
        """Return `size_bytes` to the client's window."""

    def stop_reading(self, stream: "Http3Stream") -> None:
        """Discard the rest of the request's body."""


class Http3Stream:
    """A `Stream`. It is over when both sides have ended or one side has reset it."""

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
        "sink",
        "wants_body",
    )

    def __init__(self, connection: Http3StreamOwner, stream_id: int) -> None:
        self.id = stream_id
        self.sink: RequestSink | None = None  # None for a request that was refused
        self.is_over = False
        self.has_request_ended = False
        self.has_response_ended = False  # all of it has been written to aioquic
        self.wants_body = True
        self.dropped_bytes = 0  # discarded bytes of the request's body
        self.missing_bytes = 0  # bytes of the body still to come, given a Content-Length
        self.request_trailers: Fields = ()
        self._connection = connection
        self._waiting: deque[memoryview] = deque()
        self._trailers: Fields = ()
        self._has_length = False
        self._is_head = False
        self._has_no_body = False
        self._has_ended = False
        self._is_paused = False

    # Stream: called by the sink

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

    # Called by the connection

    def begin(self, head: Head) -> None:
        """Read the method and Content-Length. Raises RequestError for an invalid length."""
        self._is_head = head.method == b"HEAD"
        lengths = {value for name, value in head.fields if name == b"content-length"}
        if lengths:
            length = lengths.pop()
            if lengths or _LENGTH.fullmatch(length) is None:
                raise RequestError(400, "an invalid Content-Length")
            self._has_length = True
            self.missing_bytes = int(length)

    def takes(self, size_bytes: int) -> bool:
        """Count bytes of the request's body; return False if they exceed its Content-Length.

        aioquic checks only at the end, when the excess is already forwarded, where a backend could
        read it as a second request.
        """
        if self._has_length:
            self.missing_bytes -= size_bytes
        return self.missing_bytes >= 0

    def abandon(self) -> None:
        """Reset the sink: the client has cancelled the request or disconnected."""
        if self.sink is not None:
            with contained("a request"):
                self.sink.reset()

    @property
    def is_stalled(self) -> bool:
        """Whether the stream waits for acknowledgements."""
        return self._is_paused or bool(self._waiting)

    def send_some(self) -> None:
        """Write as much to aioquic as its limit allows, and pause or resume the sink."""
        if not self._connection.can_send(self):
            self._waiting.clear()  # the client has stopped the stream; the event follows
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
        """Pause or resume the sink."""
        if self.sink is None or self._has_ended:
            self._is_paused = False
        elif self._is_paused:
            if room >= MAX_UNACKNOWLEDGED_BYTES - LOW_UNACKNOWLEDGED_BYTES:
                self._is_paused = False
                self.sink.resume()
        elif room <= 0:
            self._is_paused = True
            self.sink.pause()

    def _send_head(self, status: int, fields: Fields) -> None:
        passing = [field for field in fields if field[0] not in NOT_PASSED]
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
