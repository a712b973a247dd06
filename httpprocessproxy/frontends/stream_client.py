"""The client of an exchange on a stream: of HTTP/2, of HTTP/3, or of a share.

Fields go to the data plane as lines of HTTP/1.1, and bodies as content: the protocol of the stream
frames them. A request with a body of unknown length is sent to the backend in chunks (RFC 9112
section 7.1).
"""

import asyncio

from httpprocessproxy.core.errors import BodyError, RequestError
from httpprocessproxy.core.http.bodies import Body
from httpprocessproxy.core.http.reader import SHORT_BYTES, RequestReader, with_target
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.frontends.stream_transport import StreamTransport
from httpprocessproxy.frontends.streams import Fields, Head, Stream, StreamReset
from httpprocessproxy.frontends.translation import (
    CHUNKED,
    UPGRADE,
    accepted,
    fields_of,
    has_length,
    request_head,
    spelled_fields_of,
    upgrade,
)
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.exchanges import Exchanges
from httpprocessproxy.proxy.interfaces import Upstream
from httpprocessproxy.system.faults import contained


class StreamHandler:
    """A `streams.Handler` that passes requests to the data plane."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges

    def __call__(self, head: Head, stream: Stream) -> "StreamClient":
        readers = self._exchanges.context.readers
        reader = readers.of_stream(head.version, head.client[0], head.server[1])
        return StreamClient(self._exchanges, reader, head, stream)


class StreamClient:
    """A `RequestSink` of the stream, and the `Downstream` of an exchange."""

    __slots__ = (
        *("_body", "_exchange", "_exchanges", "_fields_of", "_has_ended", "_has_request_ended"),
        *("_head", "_is_over", "_is_visit", "_key", "_reader", "_start", "_stream", "_tunnel"),
        *("_unread_bytes",),
        *("idle_upstream", "is_blocked", "peer"),
    )

    replay_of = 0

    def __init__(
        self, exchanges: Exchanges, reader: RequestReader, head: Head, stream: Stream
    ) -> None:
        context = exchanges.context
        self.peer = reader.peer
        self.idle_upstream = context.pool
        self.is_blocked = False
        self._exchanges = exchanges
        self._reader = reader
        self._head = head
        self._stream = stream
        self._is_visit = head.version == "1.1"
        self._fields_of = spelled_fields_of if self._is_visit else fields_of
        self._exchange: Exchange | None = None
        # The transport of a WebSocket; it keeps what comes before the 101.
        self._tunnel = StreamTransport(stream) if head.protocol is not None else None
        self._body: Body | None = None  # of the response
        self._key = b""  # Sec-WebSocket-Key
        self._unread_bytes = 0  # received of the body, at most a window of the client
        self._has_request_ended = head.has_ended
        self._has_ended = False  # the response
        self._is_over = False
        self._start: asyncio.Handle | None = None
        context.clients.add(self)
        if head.has_ended or head.protocol is not None:
            self._begin(has_body=False)
        elif not self._is_visit or has_length(head):
            # `end` in this iteration of the event loop shows that the request has no body.
            self._start = context.loop.call_soon(self._begin)

    # RequestSink

    def body(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.data_received(data)
            return
        self._begin()
        self._unread_bytes += len(data)
        if self._exchange is not None and not self._is_over:
            self._pass_body(self._exchange, data)
        self._consume()

    def end(self, trailers: Fields = ()) -> None:
        self._has_request_ended = True
        if self._tunnel is not None:
            self._tunnel.eof_received()
            return
        self._begin(has_body=False)
        if self._exchange is not None and not self._is_over:
            try:
                self._exchange.end_body([b"%b: %b\r\n" % field for field in trailers])
            except BodyError:  # less than Content-Length
                self.abort()

    def reset(self) -> None:
        self._finish()
        if self._tunnel is not None:
            self._tunnel.connection_lost()
        if self._exchange is not None:
            self._exchange.cancel()

    def pause(self) -> None:
        self._block_response(True)

    def resume(self) -> None:
        self._block_response(False)

    def _block_response(self, blocked: bool) -> None:
        if self._tunnel is not None:
            self._tunnel.block_writing(blocked)
        if self._exchange is not None:
            self._exchange.block_response(blocked)

    # The request

    def _begin(self, *, has_body: bool = True) -> None:
        """Start the exchange, unless it has started."""
        if self._exchange is not None or self._is_over:
            return
        if self._start is not None:
            self._start.cancel()
        with contained("a request"):
            self._start_exchange(has_body=has_body)
            return
        self.abort()

    def _start_exchange(self, *, has_body: bool) -> None:
        try:
            request = self._read(has_body=has_body)
        except RequestError as error:
            self.answer(problems.refused(error), None, is_read=False)
            return
        self._exchange = self._exchanges.new(self, request)
        self._exchange.start()

    def _read(self, *, has_body: bool) -> Request:
        """Turn the head into the request to send. Raises RequestError."""
        head = self._head
        memo = head.memo if head.has_ended else None
        cached = memo.get(self._reader) if memo is not None else None
        if isinstance(cached, Request) and len(head.path) < SHORT_BYTES:
            return with_target(cached, head.path)
        request = self._reader.read(request_head(head, self._framing(has_body=has_body)))
        if memo is not None and not request.is_intercepted:
            memo[self._reader] = request
        return request

    def _framing(self, *, has_body: bool) -> Fields:
        if self._head.protocol is None:
            return CHUNKED if has_body and not has_length(self._head) else ()
        if self._is_visit:
            return UPGRADE  # the visitor's own handshake
        self._key, fields = upgrade(self._head.protocol)
        return fields

    def _pass_body(self, exchange: Exchange, data: bytes) -> None:
        """Pass on a part of the body; reset the stream if it exceeds Content-Length."""
        if not exchange.body.done:
            exchange.send_body(data)
            if not exchange.body.rest:
                return
        self.abort()

    def _consume(self) -> None:
        """Open the client's window by the bytes that were passed on."""
        if self._unread_bytes and not self.is_blocked:
            size_bytes, self._unread_bytes = self._unread_bytes, 0
            self._stream.consumed(size_bytes)

    # Downstream

    def block_reading(self, blocked: bool) -> None:
        self.is_blocked = blocked
        self._consume()

    def has_left(self) -> bool:
        return False  # a reset reports it

    def pass_interim(self, head: bytes) -> None:
        self._stream.interim(*self._fields_of(head))

    def begin_response(
        self,
        response: Response,
        piece: bytes,
        request: Request,
        fields: bytes = b"",
        *,
        keep_alive: bool,
    ) -> None:
        self._body = response.body
        status, passing = self._fields_of(response.head + fields)
        if self._tunnel is not None and status < 300 and not self._is_visit:
            # A 2xx would accept the WebSocket (RFC 8441 section 5), which the backend has not done.
            status = 502
        self._stream.head(status, passing)
        if piece:
            self._stream.body(piece)

    def write(self, data: bytes) -> None:
        self._stream.body(data)

    def end_response(self) -> None:
        self._has_ended = True
        self._stream.end(_trailers(self._body))

    def exchange_ended(self, upstream: Upstream | None, *, is_read: bool) -> None:
        if upstream is not None:
            self.idle_upstream.put(upstream)
        if not self._has_ended:
            self.end_response()
        if not is_read or not self._has_request_ended:
            self._stream.stop_reading()
        self._finish()

    def answer(self, problem: Problem, request: Request | None, *, is_read: bool) -> None:
        page = problems.page_of(problem, request)
        self._stream.head(*self._fields_of(problems.head(problem, page)))
        if self._head.method != b"HEAD":
            self._stream.body(page.body)
        self.exchange_ended(None, is_read=is_read)

    def accepts(self, response: Response) -> bool:
        """Check a handshake whose key is the proxy's own (RFC 6455 section 4.1)."""
        if self._is_visit:
            return self._tunnel is not None
        _, fields = fields_of(response.head)
        return self._tunnel is not None and accepted(fields, self._key) is not None

    def begin_tunnel(self) -> tuple[asyncio.Transport, bytes]:
        assert self._tunnel is not None, "`accepts` has checked it"
        self._finish()
        return self._tunnel, b""

    def pass_switch(self, response: Response, fields: bytes, rest: bytes) -> None:
        """Pass on the 101, as a 200 if the protocol has no 101 (RFC 8441 section 5)."""
        status, switched = self._fields_of(response.head + fields)
        if not self._is_visit:
            status, switched = 200, accepted(switched, self._key) or ()
        self._stream.head(status, switched)
        if rest:
            self._stream.body(rest)

    def cut(self) -> None:
        self._finish()
        self._stream.reset(StreamReset.INTERNAL)

    def abort(self) -> None:
        self.reset()
        self._stream.reset(StreamReset.INTERNAL)

    def sweep(self, now: float, idle_s: float, answer_s: float) -> str:
        return self._exchange.sweep(now, answer_s) if self._exchange is not None else ""

    def _finish(self) -> None:
        self._is_over = True
        self._exchanges.context.clients.discard(self)


def _trailers(body: Body | None) -> Fields:
    if body is None or not body.trailers:
        return ()
    fields = (line.partition(b":") for line in body.trailers if line)
    return [(name.lower(), value.strip()) for name, _, value in fields]
