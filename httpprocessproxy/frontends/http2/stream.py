"""One request of an HTTP/2 connection, and the send buffer of its response (RFC 9113 section 5.1).

The response is buffered until the connection's scheduler calls `send_some`, which serialises as
many frames as the client's windows allow. The `Stream` methods themselves send nothing.
"""

from collections import deque
from typing import Final, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes

from httpprocessproxy.frontends.streams import NOT_PASSED, Fields, RequestSink, StreamReset
from httpprocessproxy.system.faults import contained

# The high and low watermarks of the send buffer: the sink is paused above, and resumed below.
MAX_WAITING_BYTES: Final = 64 * 1024
LOW_WAITING_BYTES: Final = 16 * 1024

_CODES: Final = {
    StreamReset.CANCELLED: ErrorCodes.CANCEL,
    StreamReset.INTERNAL: ErrorCodes.INTERNAL_ERROR,
    StreamReset.REFUSED: ErrorCodes.REFUSED_STREAM,
}


class Http2StreamOwner(Protocol):
    """The interface of a connection to its streams."""

    @property
    def alt_svc(self) -> bytes | None:
        """The value of Alt-Svc (RFC 7838) in every final response; None: no such field."""

    def send(self, stream: "Http2Stream") -> None:
        """Schedule the stream to send its buffer."""

    def reset(self, stream: "Http2Stream", code: ErrorCodes) -> None:
        """Send RST_STREAM."""

    def consumed(self, stream: "Http2Stream", size_bytes: int) -> None:
        """Return `size_bytes` to the client's window."""

    def stop_reading(self, stream: "Http2Stream") -> None:
        """Discard the rest of the request's body."""


class Http2Stream:
    """A `Stream`. It is over when both sides have ended or one side has reset it."""

    __slots__ = (
        "_connection",
        "_has_ended",
        "_heads",
        "_is_paused",
        "_queue",
        "_trailers",
        "_waiting_bytes",
        "has_request_ended",
        "has_response_ended",
        "id",
        "is_lingering",
        "is_over",
        "is_queued",
        "request_trailers",
        "sink",
        "unread_bytes",
        "wants_body",
    )

    def __init__(self, connection: Http2StreamOwner, stream_id: int) -> None:
        self.id = stream_id
        self.sink: RequestSink | None = None  # None for a request that was refused
        self.is_queued = False  # in the send scheduler
        self.is_over = False
        self.is_lingering = False  # response sent; the rest of the upload is discarded
        self.has_request_ended = False
        self.has_response_ended = False  # END_STREAM has been sent
        self.wants_body = True
        self.unread_bytes = 0  # of the request's body: received, and not passed on by the sink
        self.request_trailers: Fields = ()
        self._connection = connection
        self._heads: list[list[tuple[bytes, bytes]]] = []
        self._queue: deque[bytes | memoryview] = deque()
        self._waiting_bytes = 0
        self._trailers: Fields = ()
        self._has_ended = False
        self._is_paused = False

    # Stream: called by the sink

    def interim(self, status: int, fields: Fields) -> None:
        self.head(status, fields)

    def head(self, status: int, fields: Fields) -> None:
        passing = [field for field in fields if field[0] not in NOT_PASSED]
        if status >= 200 and self._connection.alt_svc is not None:
            passing.append((b"alt-svc", self._connection.alt_svc))
        self._heads.append([(b":status", b"%d" % status), *passing])
        self._connection.send(self)

    def body(self, data: bytes) -> None:
        if not data or self.is_over:
            return
        self._queue.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > MAX_WAITING_BYTES and not self._is_paused and self.sink:
            self._is_paused = True
            self.sink.pause()
        self._connection.send(self)

    def end(self, trailers: Fields = ()) -> None:
        self._trailers = trailers
        self._has_ended = True
        self._connection.send(self)

    def reset(self, why: StreamReset) -> None:
        self._connection.reset(self, _CODES[why])

    def consumed(self, size_bytes: int) -> None:
        if self.wants_body:
            self._connection.consumed(self, size_bytes)

    def stop_reading(self) -> None:
        if self.wants_body:
            self.wants_body = False
            self._connection.stop_reading(self)

    # Called by the connection

    def abandon(self) -> None:
        """Reset the sink: the client has cancelled the request or disconnected."""
        if self.sink is not None:
            with contained("a request"):
                self.sink.reset()

    def fail(self) -> None:
        """Reset both ends after a bug, unless the stream is over."""
        if not self.is_over:
            self.reset(StreamReset.INTERNAL)
            self.abandon()

    @property
    def has_work(self) -> bool:
        """Whether anything is left to send, now or when the client opens its window."""
        is_ending = self._has_ended and not self.has_response_ended
        return bool(self._heads or self._queue) or is_ending

    def send_some(self, state: H2Connection) -> int:
        """Serialise the next frames, at most one DATA frame; return their approximate size."""
        size_bytes = self._send_heads(state)
        if self._queue:
            window = state.local_flow_control_window(self.id)
            if window > 0:
                size_bytes += self._send_data(state, min(window, state.max_outbound_frame_size))
        if self._has_ended and not self._queue and not self.has_response_ended:
            size_bytes += self._send_end(state)
        if self._is_paused and self._waiting_bytes <= LOW_WAITING_BYTES:
            self._is_paused = False
            if self.sink and not self._has_ended:
                self.sink.resume()
        return size_bytes

    def _send_heads(self, state: H2Connection) -> int:
        heads, self._heads = self._heads, []
        size_bytes = 0
        for fields in heads:
            is_all = fields is heads[-1] and self._ends_after(self._queue)
            self.has_response_ended = is_all
            state.send_headers(self.id, fields, end_stream=is_all)
            size_bytes += 32 * len(fields)
        return size_bytes

    def _send_data(self, state: H2Connection, limit: int) -> int:
        data = self._take(limit)
        self.has_response_ended = self._ends_after(self._queue)
        state.send_data(self.id, data, end_stream=self.has_response_ended)
        return len(data)

    def _send_end(self, state: H2Connection) -> int:
        self.has_response_ended = True
        if self._trailers:
            state.send_headers(self.id, self._trailers, end_stream=True)
        else:
            state.end_stream(self.id)
        return 9

    def _ends_after(self, queue: deque[bytes | memoryview]) -> bool:
        return self._has_ended and not queue and not self._trailers

    def _take(self, limit: int) -> bytes | memoryview:
        """Remove up to `limit` bytes from the front of the queue; small pieces are joined."""
        if len(self._queue[0]) >= limit or len(self._queue) == 1:
            return self._take_one(limit)
        taken = []
        while self._queue and limit:
            taken.append(self._take_one(limit))
            limit -= len(taken[-1])
        return b"".join(taken)

    def _take_one(self, limit: int) -> bytes | memoryview:
        piece = self._queue.popleft()
        if len(piece) > limit:
            view = memoryview(piece)
            self._queue.appendleft(view[limit:])
            piece = view[:limit]
        self._waiting_bytes -= len(piece)
        return piece
