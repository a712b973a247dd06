"""HTTP/3 server connection (RFC 9114): turns a client's streams into requests for a `Handler`.

aioquic keeps the protocol state and serialises the frames. This module maps its events to requests.
"""

import asyncio
from typing import Final

from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import (
    DataReceived,
    H3Event,
    HeadersReceived,
    WebTransportStreamDataReceived,
)
from aioquic.quic.events import (
    ProtocolNegotiated,
    QuicEvent,
    StopSendingReceived,
    StreamReset,
)

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.http2.floods import TokenBucket
from httpprocessproxy.frontends.http3.messages import Malformed, Messages
from httpprocessproxy.frontends.http3.quic_connection import QuicServerConnection
from httpprocessproxy.frontends.http3.stream import Http3Stream
from httpprocessproxy.frontends.requests import HeadReader, check_trailers, refuse
from httpprocessproxy.frontends.streams import Fields, Handler
from httpprocessproxy.system.faults import contained

# Burst and rate per second, as over HTTP/2 (CVE-2023-44487): leaving a page cancels hundreds of
# requests at once, and then none for a while.
_RESETS: Final = 1000, 33

# A client may ignore the response after STOP_SENDING: Chromium 156 then waits for ever. So the rest
# of an upload is discarded instead: up to _LINGER_BYTES, a few seconds' worth, and until no data
# arrives for _LINGER_S.
_LINGER_BYTES: Final = 64 * 1024 * 1024
_LINGER_S: Final = 1.0


class Http3Connection:
    """The HTTP/3 `Application` of a QUIC connection."""

    def __init__(self, connection: QuicServerConnection, handler: Handler) -> None:
        self._connection = connection
        self._state = connection.state
        self._handler = handler
        self._heads: HeadReader
        self._loop = asyncio.get_running_loop()
        self._messages: Messages | None = None  # None until ALPN has selected h3
        self._streams: dict[int, Http3Stream] = {}
        self._stalled: set[Http3Stream] = set()
        self._next_id = 0  # above the stream ID of every request so far
        self._is_going_away = False
        self._resets = TokenBucket(*_RESETS)

    # Application

    def handle(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._messages = Messages(self._state)
            self._heads = HeadReader("3", self._connection.server)
            return
        for message in self._h3.handle_event(event):
            with contained("a request"):
                self._receive(message)
                continue
            self._fail(self._streams.get(getattr(message, "stream_id", -1)))
        if isinstance(event, StreamReset | StopSendingReceived):
            self._cancelled(event)

    def acknowledged(self) -> None:
        for stream in list(self._stalled):
            with contained("a response"):
                stream.send_some()
                continue
            self._fail(stream)

    def go_away(self) -> None:
        if self._messages is not None and not self._is_going_away:
            self._is_going_away = True
            self._messages.go_away(self._next_id)

    def closed(self) -> None:
        for stream in list(self._streams.values()):
            self._remove(stream)
            stream.abandon()

    @property
    def _h3(self) -> Messages:
        assert self._messages is not None, "ALPN comes before any stream"
        return self._messages

    def _fail(self, stream: Http3Stream | None) -> None:
        """End the stream whose event raised an unexpected exception; the others continue."""
        if stream is not None and not stream.is_over:
            self.reset(stream, ErrorCode.H3_INTERNAL_ERROR)
            stream.abandon()

    # Events from the client

    def _receive(self, message: H3Event) -> None:
        match message:
            case HeadersReceived():
                self._receive_fields(message)
            case DataReceived():
                self._receive_data(message)
            case Malformed():
                self._refuse(message)
            case WebTransportStreamDataReceived():
                self._abort(message.stream_id, ErrorCode.H3_REQUEST_REJECTED)

    def _receive_fields(self, message: HeadersReceived) -> None:
        stream = self._streams.get(message.stream_id)
        if stream is not None:
            self._receive_trailers(stream, message.headers)
        else:
            stream = self._begin_request(message)
        if stream is not None and message.stream_ended:
            self._end_request(stream)

    def _begin_request(self, message: HeadersReceived) -> Http3Stream | None:
        stream_id = message.stream_id
        if self._is_going_away:
            # RFC 9114 section 5.2: nothing was processed, so the client may retry the request.
            self._abort(stream_id, ErrorCode.H3_REQUEST_REJECTED)
            return None
        stream = self._open(stream_id)
        try:
            client, has_ended = self._connection.client, message.stream_ended
            head = self._heads.read(message.headers, client, has_ended=has_ended)
            stream.begin(head)
        except RequestError as error:
            refuse(stream, error)
        else:
            stream.sink = self._handler(head, stream)
        return stream

    def _open(self, stream_id: int) -> Http3Stream:
        self._next_id = max(self._next_id, stream_id + 4)
        stream = self._streams[stream_id] = Http3Stream(self, stream_id)
        return stream

    def _receive_trailers(self, stream: Http3Stream, fields: Fields) -> None:
        try:
            check_trailers(fields)
        except RequestError:  # the body may already be forwarded
            self._fail_message(stream)
        else:
            stream.request_trailers = fields

    def _receive_data(self, message: DataReceived) -> None:
        stream = self._streams.get(message.stream_id)
        if stream is None:
            return
        if not stream.takes(len(message.data)):
            self._fail_message(stream)
        elif not stream.wants_body:
            self._discard(stream, len(message.data))
        elif message.data and stream.sink is not None:
            self._state.hold(stream.id, len(message.data))
            stream.sink.body(message.data)
        if message.stream_ended:
            self._end_request(stream)

    def _discard(self, stream: Http3Stream, size_bytes: int) -> None:
        """Count discarded bytes of a request's body, and stop the request above _LINGER_BYTES."""
        stream.dropped_bytes += size_bytes
        if max(stream.dropped_bytes, stream.missing_bytes) > _LINGER_BYTES:
            self._stop_request(stream)

    def _stop_if_silent(self, stream: Http3Stream, dropped_bytes: int) -> None:
        if stream.is_over or stream.has_request_ended:
            return
        if stream.dropped_bytes == dropped_bytes:
            self._stop_request(stream)
        else:
            self._linger(stream)

    def _linger(self, stream: Http3Stream) -> None:
        self._loop.call_later(_LINGER_S, self._stop_if_silent, stream, stream.dropped_bytes)

    def _stop_request(self, stream: Http3Stream) -> None:
        stream.has_request_ended = True
        self._stop(stream.id, ErrorCode.H3_NO_ERROR)
        self._finish(stream)
        self._connection.send_soon()

    def _end_request(self, stream: Http3Stream) -> None:
        if stream.is_over:
            return
        stream.has_request_ended = True
        if stream.wants_body and stream.sink is not None:
            stream.sink.end(stream.request_trailers)
        self._finish(stream)

    def _refuse(self, message: Malformed) -> None:
        """Answer a malformed request, or reset it if it was forwarded (RFC 9114 section 4.1.2)."""
        stream = self._streams.get(message.stream_id)
        if stream is not None:
            self._fail_message(stream)
        else:
            error = RequestError(message.status, message.reason)
            stream = self._open(message.stream_id)
            stream.has_request_ended = True
            refuse(stream, error)
            self._stop(stream.id, ErrorCode.H3_NO_ERROR)

    def _fail_message(self, stream: Http3Stream) -> None:
        self.reset(stream, ErrorCode.H3_MESSAGE_ERROR)
        stream.abandon()

    def _cancelled(self, event: StreamReset | StopSendingReceived) -> None:
        """Abandon a request that the client has reset, or whose response it has stopped."""
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if isinstance(event, StreamReset) and not stream.wants_body:
            # The client may reset a body that is not needed, and still expect the response.
            stream.has_request_ended = True
            self._finish(stream)
            return
        if not self._resets.take(self._loop.time()):
            self._state.close(error_code=ErrorCode.H3_EXCESSIVE_LOAD)  # RFC 9114 section 10.5
        self.reset(stream, ErrorCode.H3_REQUEST_CANCELLED)
        stream.abandon()

    # Http3StreamOwner: calls of a stream

    def can_send(self, stream: Http3Stream) -> bool:
        """Whether the stream still accepts data."""
        return not stream.is_over and self._state.can_send(stream.id)

    def unacknowledged_bytes(self, stream: Http3Stream) -> int:
        """The number of bytes that QUIC keeps for retransmission."""
        return self._state.unacknowledged_bytes(stream.id)

    def send_fields(self, stream: Http3Stream, fields: Fields, *, is_last: bool) -> None:
        """Send HEADERS: a head, or trailers with `is_last`."""
        self._h3.send_headers(stream.id, list(fields), end_stream=is_last)

    def send_data(self, stream: Http3Stream, data: bytes, *, is_last: bool) -> None:
        self._h3.send_data(stream.id, data, end_stream=is_last)

    def send_end(self, stream: Http3Stream) -> None:
        """End a response without trailers, after its head or a DATA frame."""
        self._h3.finish(stream.id)

    def sent(self, stream: Http3Stream) -> None:
        """Transmit what the stream has written, and remember whether more is waiting."""
        if stream.is_stalled:
            self._stalled.add(stream)
        else:
            self._stalled.discard(stream)
        self._finish(stream)
        self._connection.send_soon()

    def consumed(self, stream: Http3Stream, size_bytes: int) -> None:
        """Open the stream's window by `size_bytes` of the request's body."""
        self._state.hold(stream.id, -size_bytes)
        self._connection.send_soon()

    def stop_reading(self, stream: Http3Stream) -> None:
        """Discard the rest of the request, which the response does not need (RFC 9114 4.1)."""
        if not stream.is_over and not stream.has_request_ended:
            self._state.hold_nothing(stream.id)
            self._discard(stream, 0)
            self._linger(stream)
            self._connection.send_soon()

    def reset(self, stream: Http3Stream, code: ErrorCode) -> None:
        """Reset a stream in both directions."""
        self._remove(stream)
        self._abort(stream.id, code, is_reading=not stream.has_request_ended)

    def _abort(self, stream_id: int, code: ErrorCode, *, is_reading: bool = True) -> None:
        self._h3.reset(stream_id, code)
        if is_reading:
            self._stop(stream_id, code)
        self._connection.send_soon()

    def _stop(self, stream_id: int, code: ErrorCode) -> None:
        self._h3.ignore(stream_id)
        self._state.stop_stream(stream_id, code)

    def _finish(self, stream: Http3Stream) -> None:
        """Remove a stream when its request and its response have ended."""
        if stream.has_request_ended and stream.has_response_ended and not stream.is_over:
            self._remove(stream)

    def _remove(self, stream: Http3Stream) -> None:
        stream.is_over = True
        del self._streams[stream.id]
        self._stalled.discard(stream)
        self._state.hold_nothing(stream.id)
