"""The end of HTTP/2 (RFC 9113): a client's connection becomes requests for a `Handler`.

h2 keeps the states and makes the frames. Here is what they mean for requests, and when the
connection ends. Windows open again for what the visits have passed on, and for nothing else.
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
from httpprocessproxy.frontends.http2.floods import Floods
from httpprocessproxy.frontends.http2.frames import Reading
from httpprocessproxy.frontends.http2.send_scheduler import SendScheduler
from httpprocessproxy.frontends.http2.settings import (
    IDLE_S,
    LINGER_S,
    MAX_ENCODER_TABLE_BYTES,
    MAX_STREAMS,
    new_state,
)
from httpprocessproxy.frontends.http2.stream import Http2Stream
from httpprocessproxy.frontends.requests import check_trailers, read_head, refuse
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.system.faults import contained


class Http2Connection(asyncio.Protocol):
    """One connection; it is in `registry` from its beginning to its end, and then `gone` is set."""

    def __init__(
        self,
        handler: Handler,
        registry: set["Http2Connection"],
        alt_svc: bytes | None = None,
    ) -> None:
        """`alt_svc` is the value of the Alt-Svc field that every response gets."""
        self.alt_svc = alt_svc
        self.gone = asyncio.Event()
        self._handler = handler
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._client = self._server = ("", 0)
        self._state = new_state()
        self._streams: dict[int, Http2Stream] = {}
        self._turns: SendScheduler
        self._sends_soon = False
        self._is_closing = False
        self._floods = Floods(self._loop.time)
        self._idle_since = self._loop.time()
        self._idle_check: asyncio.TimerHandle

    def close(self) -> None:
        """Take no more requests, and end when the present ones have been answered.

        RFC 9113 section 6.8: the client learns which of its requests was the last.
        """
        if self._is_closing or self._transport.is_closing():
            return
        self._is_closing = True
        self._turns.write()
        # Behind a GOAWAY of its own h2 sends nothing more.
        last = self._state.highest_inbound_stream_id
        self._transport.write(GoAwayFrame(last_stream_id=last).serialize())
        self._close_if_done()

    def abort(self) -> None:
        """End now, whatever is under way."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._reading = Reading(self._transport, self._read)
        self._turns = SendScheduler(self._state, self._transport, self._turned)
        self._client = _address(transport, "peername")
        self._server = _address(transport, "sockname")
        self._registry.add(self)
        self._idle_check = self._loop.call_later(IDLE_S, self._check_idle)
        self._turns.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle_check.cancel()
        self._end_streams()
        self._registry.discard(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._reading.put(data)

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
            # The GOAWAY that says what is wrong has been made, but for what is not HTTP/2 at all.
            self._turns.write()
            self._end()
        else:
            self._send_soon()

    def pause_writing(self) -> None:
        self._turns.is_full = True

    def resume_writing(self) -> None:
        self._turns.is_full = False
        self._send_soon()

    # What the client sends. h2 has read all that came before the first event is looked at here: a
    # stream may have ended by then, and the events that say so come later.

    def _handle(self, event: Event) -> None:
        """Obey one event. Raises ProtocolError for one too many."""
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                self._receive(event)
            case TrailersReceived():
                self._receive_trailers(event)
            case StreamEnded():
                self._end_request(event.stream_id)
            case StreamReset():
                self._check(self._floods.may_reset())
                self._give_up(event.stream_id)
            case WindowUpdated():
                self._check(self._floods.may_steer())
                self._widen(event.stream_id)
            case RemoteSettingsChanged():
                self._check(self._floods.may_send_empty())
                self._adapt(event)
            case ConnectionTerminated():
                self._end()  # h2 sends nothing more
            case PriorityUpdated() | UnknownFrameReceived():
                self._check(self._floods.may_steer())
            case _:  # PING, acknowledgements, and the like
                self._check(self._floods.may_send_empty())

    def _begin(self, event: RequestReceived) -> None:
        if self._is_closing or len(self._streams) >= MAX_STREAMS:
            # Section 8.7: nothing has been done, so it may be sent again.
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM)
            self._check(self._floods.may_reset())
            return
        self._floods.earn()
        stream = self._streams[event.stream_id] = Http2Stream(self, event.stream_id)
        try:
            head = read_head(event.headers, "2", self._client, self._server)
        except RequestError as error:
            refuse(stream, error)
        else:
            stream.visit = self._handler(head, stream)

    def _receive(self, event: DataReceived) -> None:
        if not event.data and event.stream_ended is None:
            self._check(self._floods.may_send_empty())
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.visit is None or not stream.wants_body:
            self._acknowledge(event.stream_id, event.flow_controlled_length)
            return
        padding = event.flow_controlled_length - len(event.data)
        self._acknowledge(event.stream_id, padding)
        if event.data:
            stream.unread_bytes += len(event.data)
            stream.visit.body(event.data)

    def _receive_trailers(self, event: TrailersReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        try:
            check_trailers(event.headers)
        except RequestError:  # section 8.1.1: what came before may have been passed on
            self._reset(stream.id, ErrorCodes.PROTOCOL_ERROR)
            self._give_up(stream.id)
        else:
            stream.request_trailers = event.headers

    def _end_request(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.has_request_ended = True
        if stream.wants_body and stream.visit is not None:
            stream.visit.end(stream.request_trailers)
        self._finish(stream)

    def _give_up(self, stream_id: int) -> None:
        """The client has reset its request, or is gone."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._remove(stream)
            stream.abandon()

    def _widen(self, stream_id: int) -> None:
        """A window is open again; that of stream 0 is everybody's (section 6.9)."""
        widened = self._streams.values() if stream_id == 0 else [self._streams.get(stream_id)]
        for stream in widened:
            if stream is not None and stream.has_work:
                self._turns.add(stream)

    def _adapt(self, event: RemoteSettingsChanged) -> None:
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self._widen(0)
        if self._state.encoder.header_table_size > MAX_ENCODER_TABLE_BYTES:
            self._state.encoder.header_table_size = MAX_ENCODER_TABLE_BYTES

    def _check(self, is_allowed: bool) -> None:
        if not is_allowed:
            self._state.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise ProtocolError("more of it than brings anything forward")  # section 10.5

    def _fail(self, event: Event) -> None:
        """A bug of ours ends the stream, and no other."""
        stream = self._streams.get(getattr(event, "stream_id", 0))
        if stream is not None:
            self.reset(stream, ErrorCodes.INTERNAL_ERROR)

    # What a stream wants

    def stop_reading(self, stream: Http2Stream) -> None:
        """Discard the rest of a request's body: what has come of it is in nobody's way."""
        self.consumed(stream, stream.unread_bytes)
        self.send(stream)

    def send(self, stream: Http2Stream) -> None:
        """Let it have its turn, once for all that the loop calls in this round."""
        self._turns.add(stream)
        self._send_soon()

    def consumed(self, stream: Http2Stream, size_bytes: int) -> None:
        """Open the windows of a stream, and of the connection, by so much."""
        if not stream.is_over:
            stream.unread_bytes -= size_bytes
            self._acknowledge(stream.id, size_bytes)
            self._send_soon()

    def reset(self, stream: Http2Stream, code: ErrorCodes) -> None:
        """End a stream early, unless it has ended."""
        if not stream.is_over:
            self._reset(stream.id, code)
            self._remove(stream)
            self._send_soon()

    def _acknowledge(self, stream_id: int, size_bytes: int) -> None:
        if size_bytes:
            self._state.acknowledge_received_data(size_bytes, stream_id)

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        with contextlib.suppress(StreamClosedError):  # the client was faster
            self._state.reset_stream(stream_id, code)

    def _send_soon(self) -> None:
        if not self._sends_soon:
            self._sends_soon = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._sends_soon = False
        self._turns.send()
        self._close_if_done()

    # The end, of a stream and of the connection

    def _turned(self, stream: Http2Stream) -> None:
        """A stream had its turn to send."""
        self._floods.earn()
        self._finish(stream)

    def _finish(self, stream: Http2Stream) -> None:
        """Let go of a stream that is answered, once its request has ended.

        RFC 9113 section 8.1: of one that is not wanted, a reset without an error says so. Clients
        that are told at once may lose the response: it comes when the client has had time to read.
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
        # What its visit did not read is no longer in the connection's way.
        self._acknowledge(stream.id, stream.unread_bytes)
        self._idle_since = self._loop.time()

    def _end(self) -> None:
        self._end_streams()
        self._transport.close()

    def _end_streams(self) -> None:
        for stream_id in list(self._streams):
            self._give_up(stream_id)

    def _close_if_done(self) -> None:
        if self._is_closing and not self._streams:
            self._transport.close()

    def _check_idle(self) -> None:
        if not self._streams and self._loop.time() - self._idle_since >= IDLE_S:
            self.close()
        self._idle_check = self._loop.call_later(IDLE_S, self._check_idle)


async def drain(connections: set[Http2Connection], within_s: float) -> None:
    """Close all connections, and end those that are not done `within_s`."""
    for connection in list(connections):
        connection.close()
    try:
        async with asyncio.timeout(within_s):
            while connections:
                await next(iter(connections)).gone.wait()
    except TimeoutError:
        for connection in list(connections):
            connection.abort()


def _address(transport: asyncio.BaseTransport, which: str) -> tuple[str, int]:
    host, port = transport.get_extra_info(which)[:2]
    return str(host), int(port)
