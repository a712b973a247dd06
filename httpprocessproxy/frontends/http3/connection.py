"""A client's HTTP/3 connection: its streams become requests for a `Handler` (RFC 9114).

aioquic keeps the states and makes the frames. Here is what they mean for requests.
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
from httpprocessproxy.frontends.http2.token_bucket import TokenBucket
from httpprocessproxy.frontends.http3.messages import Malformed, Messages
from httpprocessproxy.frontends.http3.quic_connection import QuicServerConnection
from httpprocessproxy.frontends.http3.stream import Http3Stream
from httpprocessproxy.frontends.requests import check_trailers, read_head, refuse
from httpprocessproxy.frontends.streams import Fields, Handler
from httpprocessproxy.system.faults import contained

# As over HTTP/2 (CVE-2023-44487), at once and per second: a page that is left cancels hundreds of
# requests, and then no more for a while.
_RESETS: Final = 1000, 33

# Who is told to stop sending may never look at the response: Chromium 156 waits for ever then. So
# the rest of an upload is dropped as it comes: up to a few seconds' worth, and while it does come.
_LINGER_BYTES: Final = 64 * 1024 * 1024
_LINGER_S: Final = 1.0


class Http3Connection:
    """What a QUIC connection carries."""

    def __init__(self, connection: QuicServerConnection, handler: Handler) -> None:
        self._connection = connection
        self._state = connection.state
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._messages: Messages | None = None  # until ALPN has chosen h3
        self._streams: dict[int, Http3Stream] = {}
        self._stalled: set[Http3Stream] = set()
        self._next_id = 0  # above that of every request there has been
        self._is_going = False
        self._resets = TokenBucket(*_RESETS)

    # Application

    def handle(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._messages = Messages(self._state)
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
        if self._messages is not None and not self._is_going:
            self._is_going = True
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
        """A bug of ours ends the stream, and no other."""
        if stream is not None and not stream.is_over:
            self.reset(stream, ErrorCode.H3_INTERNAL_ERROR)

    # What the client sends

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
            stream = self._begin(message.stream_id, message.headers)
        if stream is not None and message.stream_ended:
            self._end_request(stream)

    def _begin(self, stream_id: int, fields: Fields) -> Http3Stream | None:
        if self._is_going:
            # RFC 9114 section 5.2: nothing has been done, so it may be sent again.
            self._abort(stream_id, ErrorCode.H3_REQUEST_REJECTED)
            return None
        stream = self._open(stream_id)
        try:
            head = read_head(fields, "3", self._connection.client, self._connection.server)
            stream.begin(head)
        except RequestError as error:
            refuse(stream, error)
        else:
            stream.visit = self._handler(head, stream)
        return stream

    def _open(self, stream_id: int) -> Http3Stream:
        self._next_id = max(self._next_id, stream_id + 4)
        stream = self._streams[stream_id] = Http3Stream(self, stream_id)
        return stream

    def _receive_trailers(self, stream: Http3Stream, fields: Fields) -> None:
        try:
            check_trailers(fields)
        except RequestError:  # what came before may have been passed on
            self._break(stream)
        else:
            stream.request_trailers = fields

    def _receive_data(self, message: DataReceived) -> None:
        stream = self._streams.get(message.stream_id)
        if stream is None:
            return
        if not stream.takes(len(message.data)):
            self._break(stream)
        elif not stream.wants_body:
            self._pass_over(stream, len(message.data))
        elif message.data and stream.visit is not None:
            self._state.hold(stream.id, len(message.data))
            stream.visit.body(message.data)
        if message.stream_ended:
            self._end_request(stream)

    def _pass_over(self, stream: Http3Stream, size_bytes: int) -> None:
        """Drop what nobody wants, but not for ever."""
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
        if stream.wants_body and stream.visit is not None:
            stream.visit.end(stream.request_trailers)
        self._finish(stream)

    def _refuse(self, message: Malformed) -> None:
        """RFC 9114 section 4.1.2: answer it, unless some of it has been passed on."""
        stream = self._streams.get(message.stream_id)
        if stream is not None:
            self._break(stream)
        else:
            error = RequestError(message.status, message.reason)
            stream = self._open(message.stream_id)
            stream.has_request_ended = True
            refuse(stream, error)
            self._stop(stream.id, ErrorCode.H3_NO_ERROR)

    def _break(self, stream: Http3Stream) -> None:
        self.reset(stream, ErrorCode.H3_MESSAGE_ERROR)
        stream.abandon()

    def _cancelled(self, event: StreamReset | StopSendingReceived) -> None:
        """The client has given up a request, or does not want its response."""
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if isinstance(event, StreamReset) and not stream.wants_body:
            # It has seen that nobody wants the rest; the response it may want all the same.
            stream.has_request_ended = True
            self._finish(stream)
            return
        if not self._resets.take(self._loop.time()):
            self._state.close(error_code=ErrorCode.H3_EXCESSIVE_LOAD)  # section 10.5
        self.reset(stream, ErrorCode.H3_REQUEST_CANCELLED)
        stream.abandon()

    # What a stream wants

    def can_send(self, stream: Http3Stream) -> bool:
        """Whether anything may still be sent on it."""
        return not stream.is_over and self._state.can_send(stream.id)

    def unacknowledged_bytes(self, stream: Http3Stream) -> int:
        """How much of what was sent may have to be sent again."""
        return self._state.unacknowledged_bytes(stream.id)

    def send_fields(self, stream: Http3Stream, fields: Fields, *, is_last: bool) -> None:
        """Send a head, or trailers, which are the last."""
        self._h3.send_headers(stream.id, list(fields), end_stream=is_last)

    def send_data(self, stream: Http3Stream, data: bytes, *, is_last: bool) -> None:
        self._h3.send_data(stream.id, data, end_stream=is_last)

    def send_end(self, stream: Http3Stream) -> None:
        """End a response that has no more data, and no trailers."""
        self._h3.finish(stream.id)

    def sent(self, stream: Http3Stream) -> None:
        """A stream has given what there was room for."""
        if stream.is_stalled:
            self._stalled.add(stream)
        else:
            self._stalled.discard(stream)
        self._finish(stream)
        self._connection.send_soon()

    def consumed(self, stream: Http3Stream, size_bytes: int) -> None:
        """There is room for so much more of the request."""
        self._state.hold(stream.id, -size_bytes)
        self._connection.send_soon()

    def stop_reading(self, stream: Http3Stream) -> None:
        """Section 4.1: the response is, or will be, complete without the rest of the request."""
        if not stream.is_over and not stream.has_request_ended:
            self._state.hold_nothing(stream.id)
            self._pass_over(stream, 0)
            self._linger(stream)
            self._connection.send_soon()

    def reset(self, stream: Http3Stream, code: ErrorCode) -> None:
        """End a stream early, in both directions."""
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
        """Let go of a stream of which both sides have ended."""
        if stream.has_request_ended and stream.has_response_ended and not stream.is_over:
            self._remove(stream)

    def _remove(self, stream: Http3Stream) -> None:
        stream.is_over = True
        del self._streams[stream.id]
        self._stalled.discard(stream)
        self._state.hold_nothing(stream.id)
