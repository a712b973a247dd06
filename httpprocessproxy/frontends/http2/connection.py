"""HTTP/2 server connection (RFC 9113): turns a client's frames into requests for a `Handler`.

h2 keeps the protocol state and serialises the frames. This module maps its events to requests and
decides when the connection ends. A flow-control window opens only by the bytes that a request's
sink has passed on.
"""

import asyncio
import contextlib
from typing import cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    UnknownFrameReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.http2.floods import FloodLimits
from httpprocessproxy.frontends.http2.frames import FrameReader
from httpprocessproxy.frontends.http2.send_scheduler import SendScheduler
from httpprocessproxy.frontends.http2.settings import (
    IDLE_S,
    LINGER_S,
    MAX_ENCODER_TABLE_BYTES,
    MAX_STREAMS,
    new_state,
)
from httpprocessproxy.frontends.http2.stream import Http2Stream
from httpprocessproxy.frontends.requests import HeadReader, check_trailers, refuse
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.system.faults import contained


class Http2Connection(asyncio.Protocol):
    """One connection. It is in `registry` while it is open; `gone` is set when it has closed."""

    def __init__(
        self,
        handler: Handler,
        registry: set["Http2Connection"],
        alt_svc: bytes | None = None,
    ) -> None:
        """`alt_svc` is the value of Alt-Svc in every final response; None: no such field."""
        self.alt_svc = alt_svc
        self.gone = asyncio.Event()
        self._handler = handler
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._client: tuple[str, int]
        self._heads: HeadReader
        self._state = new_state()
        self._streams: dict[int, Http2Stream] = {}
        self._scheduler: SendScheduler
        self._is_send_scheduled = False
        self._is_closing = False
        self._flood_limits = FloodLimits(self._loop.time)
        self._idle_since = self._loop.time()
        self._idle_check: asyncio.TimerHandle

    def close(self) -> None:
        """Send GOAWAY, refuse new requests, and close when the open ones are complete.

        GOAWAY names the last request that is processed (RFC 9113 section 6.8).
        """
        if self._is_closing or self._transport.is_closing():
            return
        self._is_closing = True
        self._scheduler.write()
        # hyperframe makes this GOAWAY: after a GOAWAY of its own, h2 refuses to send responses.
        last = self._state.highest_inbound_stream_id
        self._transport.write(GoAwayFrame(last_stream_id=last).serialize())
        self._close_if_done()

    def abort(self) -> None:
        """Close immediately, without completing the open requests."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._reader = FrameReader(self._transport, self._read)
        self._scheduler = SendScheduler(self._state, self._transport, self._stream_sent)
        self._client = transport.get_extra_info("peername")[:2]
        self._heads = HeadReader("2", transport.get_extra_info("sockname")[:2])
        self._registry.add(self)
        self._idle_check = self._loop.call_later(IDLE_S, self._check_idle)
        self._scheduler.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle_check.cancel()
        self._end_streams()
        self._registry.discard(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._reader.put(data)

    def _read(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            for event in self._state.receive_data(data):
                with contained("a request", ProtocolError):
                    self._handle(event)
                    continue
                self._fail(event)
        except ProtocolError:
            # h2 has queued a GOAWAY with the error code, unless the bytes are not HTTP/2 at all.
            self._scheduler.write()
            self._end()
        else:
            self._send_soon()

    def pause_writing(self) -> None:
        self._scheduler.is_full = True

    def resume_writing(self) -> None:
        self._scheduler.is_full = False
        self._send_soon()

    # Events from the client. h2 processes all received bytes before it returns the first event, so
    # a stream may have ended although its StreamEnded or StreamReset event is still to come.

    def _handle(self, event: Event) -> None:
        """Process one event. Raises ProtocolError above a flood limit."""
        match event:
            case RequestReceived():
                self._begin_request(event)
            case DataReceived():
                self._receive_data(event)
            case TrailersReceived():
                self._receive_trailers(event)
            case StreamEnded():
                self._end_request(event.stream_id)
            case StreamReset():
                self._check(self._flood_limits.may_reset())
                self._abandon(event.stream_id)
            case WindowUpdated():
                self._check(self._flood_limits.may_send_control())
                self._window_opened(event.stream_id)
            case RemoteSettingsChanged():
                self._check(self._flood_limits.may_send_empty())
                self._apply_settings(event)
            case ConnectionTerminated():
                self._end()  # h2 sends nothing after a GOAWAY of the client
            case PriorityUpdated() | UnknownFrameReceived():
                self._check(self._flood_limits.may_send_control())
            case _:  # PING, acknowledgements and similar frames
                self._check(self._flood_limits.may_send_empty())

    def _begin_request(self, event: RequestReceived) -> None:
        if self._is_closing or len(self._streams) >= MAX_STREAMS:
            # RFC 9113 section 8.7: nothing was processed, so the client may retry the request.
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
            self._check(self._flood_limits.may_reset())
            return
        self._flood_limits.earn()
        stream = self._streams[event.stream_id] = Http2Stream(self, event.stream_id)
        try:
            ended = event.stream_ended is not None
            head = self._heads.read(event.headers, self._client, has_ended=ended)
        except RequestError as error:
            refuse(stream, error)
        else:
            stream.sink = self._handler(head, stream)

    def _receive_data(self, event: DataReceived) -> None:
        if not event.data and event.stream_ended is None:
            self._check(self._flood_limits.may_send_empty())
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.sink is None or not stream.wants_body:
            self._acknowledge(event.stream_id, event.flow_controlled_length)
            return
        padding = event.flow_controlled_length - len(event.data)
        self._acknowledge(event.stream_id, padding)
        if event.data:
            stream.unread_bytes += len(event.data)
            stream.sink.body(event.data)

    def _receive_trailers(self, event: TrailersReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        try:
            check_trailers(event.headers)
        except RequestError:  # RFC 9113 section 8.1.1: the body may already be forwarded
            self._reset(stream.id, ErrorCodes.PROTOCOL_ERROR)
            self._abandon(stream.id)
        else:
            stream.request_trailers = event.headers

    def _end_request(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.has_request_ended = True
        if stream.wants_body and stream.sink is not None:
            stream.sink.end(stream.request_trailers)
        self._finish(stream)

    def _abandon(self, stream_id: int) -> None:
        """Abandon a request: the client has reset it or disconnected."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._remove(stream)
            stream.abandon()

    def _window_opened(self, stream_id: int) -> None:
        """Schedule streams whose window was opened; 0 means the connection (RFC 9113 6.9)."""
        streams = self._streams.values() if stream_id == 0 else [self._streams.get(stream_id)]
        for stream in streams:
            if stream is not None and stream.has_work:
                self._scheduler.add(stream)

    def _apply_settings(self, event: RemoteSettingsChanged) -> None:
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self._window_opened(0)
        if self._state.encoder.header_table_size > MAX_ENCODER_TABLE_BYTES:
            self._state.encoder.header_table_size = MAX_ENCODER_TABLE_BYTES

    def _check(self, is_allowed: bool) -> None:
        if not is_allowed:
            self._state.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise ProtocolError("too many frames without progress")  # RFC 9113 section 10.5

    def _fail(self, event: Event) -> None:
        """End the stream whose event raised an unexpected exception; the others continue."""
        if (stream := self._streams.get(getattr(event, "stream_id", 0))) is not None:
            stream.fail()

    # Http2StreamOwner: calls of a stream

    def stop_reading(self, stream: Http2Stream) -> None:
        """Discard the rest of a request's body, and release the window that it occupies."""
        self.consumed(stream, stream.unread_bytes)
        self.send(stream)

    def send(self, stream: Http2Stream) -> None:
        """Schedule the stream; all streams of one event loop iteration are sent together."""
        if not stream.is_queued:
            self._scheduler.add(stream)
            self._send_soon()

    def consumed(self, stream: Http2Stream, size_bytes: int) -> None:
        """Open the windows of the stream and of the connection by `size_bytes`."""
        if not stream.is_over:
            stream.unread_bytes -= size_bytes
            self._acknowledge(stream.id, size_bytes)
            self._send_soon()

    def reset(self, stream: Http2Stream, code: ErrorCodes) -> None:
        """Send RST_STREAM, unless the stream is over."""
        if not stream.is_over:
            self._reset(stream.id, code)
            self._remove(stream)
            self._send_soon()

    def _acknowledge(self, stream_id: int, size_bytes: int) -> None:
        if size_bytes:
            self._state.acknowledge_received_data(size_bytes, stream_id)

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        with contextlib.suppress(StreamClosedError):  # the client has reset it already
            self._state.reset_stream(stream_id, code)

    def _send_soon(self) -> None:
        if not self._is_send_scheduled:
            self._is_send_scheduled = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_send_scheduled = False
        self._scheduler.send()
        self._close_if_done()

    # The end of a stream and of the connection

    def _stream_sent(self, stream: Http2Stream) -> None:
        """Account for a stream that has just sent."""
        self._flood_limits.earn()
        self._finish(stream)

    def _finish(self, stream: Http2Stream) -> None:
        """Remove a stream whose response is sent, once its request has ended.

        An upload that is not needed is stopped by a reset with NO_ERROR (RFC 9113 section 8.1),
        after LINGER_S: clients that get it at once may lose the response.
        """
        if stream.is_over or not stream.has_response_ended:
            return
        if stream.has_request_ended:
            self._remove(stream)
        elif not stream.wants_body and not stream.is_lingering:
            stream.is_lingering = True
            self._loop.call_later(LINGER_S, self.reset, stream, ErrorCodes.NO_ERROR)

    def _remove(self, stream: Http2Stream) -> None:
        stream.is_over = True
        del self._streams[stream.id]
        # Unread bytes of the body no longer count against the connection's window.
        self._acknowledge(stream.id, stream.unread_bytes)
        self._idle_since = self._loop.time()

    def _end(self) -> None:
        self._end_streams()
        self._transport.close()

    def _end_streams(self) -> None:
        for stream_id in list(self._streams):
            self._abandon(stream_id)

    def _close_if_done(self) -> None:
        if self._is_closing and not self._streams:
            self._transport.close()

    def _check_idle(self) -> None:
        if not self._streams and self._loop.time() - self._idle_since >= IDLE_S:
            self.close()
        self._idle_check = self._loop.call_later(IDLE_S, self._check_idle)


async def drain(connections: set[Http2Connection], within_s: float) -> None:
    """Close all connections; abort those that are still open after `within_s` seconds."""
    for connection in list(connections):
        connection.close()
    try:
        async with asyncio.timeout(within_s):
            while connections:
                await next(iter(connections)).gone.wait()
    except TimeoutError:
        for connection in list(connections):
            connection.abort()
