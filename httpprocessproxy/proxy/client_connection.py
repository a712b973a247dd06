"""A client's connection: reads requests one at a time, writes responses in the same order.

Pipelined requests wait in `_waiting` (RFC 9112 section 9.3.2). The connection outlives generations:
it is closed only after a response with `Connection: close`, or to signal a broken response.
"""

import asyncio
from typing import cast

from httpprocessproxy.core.errors import BodyError, RequestError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.http1 import HEAD_END, connection_option
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.exchanges import Exchanges
from httpprocessproxy.proxy.idle_upstreams import IdleUpstream
from httpprocessproxy.proxy.interfaces import Upstream
from httpprocessproxy.proxy.timers import Timer
from httpprocessproxy.proxy.transports import finish, is_gone, linger_none, quick_ack

# The time for a head to arrive: generous for a person at a keyboard, short for a slowloris.
HEAD_TIMEOUT_S = 30.0

# The limit of data read ahead of the response to the current request.
MAX_WAITING_BYTES = 64 * 1024

# After the last response, data of a client is read and discarded for this time: a close with unread
# bytes sends RST, which could destroy the response in flight (RFC 9112 section 9.6).
LINGER_S = 2.0

# The interval of the check whether a half-closed client is gone or waits for its response.
HALF_CLOSED_CHECK_S = 0.5


class ClientConnection(asyncio.Protocol):
    """One connection of a client, a `Downstream`. `_exchange` is the current request, if any."""

    replay_of = 0

    def __init__(
        self, exchanges: Exchanges, fields: bytes = b"", reader: RequestReader | None = None
    ) -> None:
        """`fields` are header lines that are added to every response on this connection.

        `reader` parses its requests; None: the one for the address of its peer.
        """
        self.transport: asyncio.Transport
        self.peer: Peer
        self.fields = fields
        self._exchanges = exchanges
        self._context = exchanges.context
        self._given_reader = reader
        self._reader: RequestReader
        self._waiting = b""
        self._exchange: Exchange | None = None
        self.idle_upstream = IdleUpstream()
        self._generation: GenerationId | None = None  # of the last response on this connection
        self._generations: dict[str, GenerationId] = {}  # the last one of each service
        self._keep_alive = True
        self._is_half_closed = False
        self._is_lingering = False
        self.is_blocked = False  # back-pressure: the request's body cannot be passed on
        self._is_paused = False
        self._is_full = False  # the write buffer is full: the client reads slowly
        self._head_timer = Timer(self._context.loop, HEAD_TIMEOUT_S, self._time_out_head)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._reader = self._given_reader or self._context.readers.of_connection(self.transport)
        self.peer = self._reader.peer
        self._context.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.clients.discard(self)
        self._head_timer.set(False)
        self._waiting = b""
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None
        self.idle_upstream.drop()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        exchange = self._exchange
        if exchange is None and not self._is_full:
            self._waiting = self._waiting + data if self._waiting else data
            self._serve_waiting()
        elif exchange is None or exchange.body.done:
            self._waiting += data
            self._update_reading()
        else:
            self._receive_body(exchange, data)

    def eof_received(self) -> bool:
        """Keep the connection for a half-closed client that waits for a response (RFC 9293 3.6)."""
        exchange = self._exchange
        is_whole = self._has_waiting_head() if exchange is None else exchange.body.done
        # TLS in asyncio and uvloop closes both directions at once: no response could be sent.
        if self._is_lingering or not is_whole or not self.transport.can_write_eof():
            return False
        self._is_half_closed = True
        return self._check_half_closed()

    def pause_writing(self) -> None:
        self._is_full = True
        if self._exchange is not None:
            self._exchange.block_response(True)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._exchange is not None:
            self._exchange.block_response(False)
        else:
            self._serve_waiting()

    # Requests

    def _serve_waiting(self) -> None:
        # A client that pipelines and does not read would fill memory with its responses.
        while self._waiting and self._exchange is None and self._keep_alive and not self._is_full:
            try:
                if not self._serve_next():
                    return
            except RequestError as error:
                self._keep_alive = False
                self.answer(problems.refused(error), None, is_read=False)
                return

    def _serve_next(self) -> bool:
        """Start the next request, if its head is complete. Raises RequestError."""
        waiting = self._waiting
        while waiting.startswith(b"\r\n"):
            # RFC 9112 section 2.2: empty lines before a request are ignored.
            waiting = self._waiting = waiting[2:]
        taken = self._reader.take(waiting)
        if taken is None or self._head_timer.handle is not None:
            self._head_timer.set(taken is None and bool(waiting))
        if taken is None:
            if waiting:
                quick_ack(self.transport)
            return False
        self._waiting = b""
        self._serve(*taken)
        return True

    def _serve(self, request: Request, data: bytes) -> None:
        """Start a request; `data` are the bytes after its head: its body, or the next request."""
        if request.is_intercepted:
            exchange = self._exchanges.new(self, request)
        else:
            exchange = Exchange(self, self._context, request)  # the common case, without a call
        self._exchange = exchange
        if not exchange.body.done and data:
            self._receive_body(exchange, data)
        else:
            self._waiting = data
        if self._is_half_closed and not exchange.body.done:
            exchange.cancel()
            self.exchange_ended(None, is_read=False)
        elif not exchange.over:
            exchange.start()

    def _has_waiting_head(self) -> bool:
        # Empty lines before a request are not a head (RFC 9112 section 2.2).
        return HEAD_END in self._waiting.lstrip(b"\r\n")

    def _receive_body(self, exchange: Exchange, data: bytes) -> None:
        try:
            exchange.send_body(data)
        except BodyError as error:
            self._refuse_body(exchange, error)
            return
        if not exchange.body.done:
            quick_ack(self.transport)
        if exchange.body.rest:
            self._waiting, exchange.body.rest = self._waiting + exchange.body.rest, b""
            if self._exchange is None:
                self._serve_waiting()

    def _refuse_body(self, exchange: Exchange, error: BodyError) -> None:
        """Refuse a broken body, so that the backend does not read it as complete."""
        if exchange.is_answered:
            exchange.cancel()
            self.cut()
        else:
            exchange.refuse_body(str(error))

    # Responses

    def pass_interim(self, head: bytes) -> None:
        self.transport.write(head)

    def begin_response(
        self,
        response: Response,
        piece: bytes,
        request: Request,
        fields: bytes = b"",
        *,
        keep_alive: bool,
    ) -> None:
        generation = self._exchange.gate.generation if self._exchange is not None else None
        if generation != self._generation and self._closes_for(generation):
            keep_alive = False
        is_last = self._is_half_closed and not self._has_waiting_head()
        self._keep_alive = keep_alive and not is_last
        option = connection_option(keep_alive=self._keep_alive, is_http10=request.is_http10)
        self.transport.write(b"".join((response.head, fields, self.fields, option, b"\r\n", piece)))

    def _closes_for(self, generation: GenerationId | None) -> bool:
        """Whether the first response of a new generation closes the connection.

        State that a client has tied to its connection belongs to the old generation.
        """
        if generation is None:
            return False
        last = self._generations.get(generation.service)
        is_new = last is not None and last != generation
        if is_new and self._waiting:
            return False  # pipelined requests would be lost: they are served first
        self._generation = self._generations[generation.service] = generation
        return is_new

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def answer(self, problem: Problem, request: Request | None, *, is_read: bool) -> None:
        """Send an error response, and keep the connection if the request was read completely."""
        self._keep_alive = keep_alive = request is not None and is_read and request.keep_alive
        # RFC 9110 section 9.3.2: a response to HEAD has no content, even an error response.
        line = self._waiting if request is None else request.head
        is_head = line.startswith(b"HEAD ")
        self.transport.write(
            problems.answer(problem, request, self.fields, is_head=is_head, keep_alive=keep_alive)
        )
        self.exchange_ended(None, is_read=is_read)

    def end_response(self) -> None:
        """Nothing: the framing ends the response, and the next one follows the whole request."""

    def exchange_ended(self, upstream: Upstream | None, *, is_read: bool) -> None:
        """The current request is complete: serve the next one, or close the connection."""
        self._exchange = None
        if upstream is not None:
            self.idle_upstream.put(upstream)
        is_last = self._is_half_closed and not self._has_waiting_head()
        if not self._keep_alive or is_last or not is_read:
            self._close(unread=not is_read or bool(self._waiting))
            return
        self.is_blocked = False
        if self._is_paused or self._waiting:
            self._update_reading()
        if self._waiting:
            # Not within the callback that ended the last request, which still has to return.
            self._context.loop.call_soon(self._serve_waiting)

    def cut(self) -> None:
        """Abort a response that has begun with RST, so that the client detects the truncation."""
        linger_none(self.transport)
        self.transport.abort()

    def abort(self) -> None:
        """Close the connection at once, as if the client had closed it."""
        self.transport.abort()
        self.connection_lost(None)

    def has_left(self) -> bool:
        """Whether the client has closed while reading is paused, when no event reports it."""
        return self._is_paused and is_gone(self.transport) is True

    def accepts(self, response: Response) -> bool:
        """Leave the check to the client, which has made the handshake (RFC 6455 section 4.1)."""
        return True

    def begin_tunnel(self) -> tuple[asyncio.Transport, bytes]:
        self._context.clients.discard(self)
        self._exchange = None
        self.idle_upstream.drop()
        early, self._waiting = self._waiting, b""
        return self.transport, early

    def pass_switch(self, response: Response, fields: bytes, rest: bytes) -> None:
        self.transport.write(b"".join((response.head, fields, self.fields, b"\r\n", rest)))

    def sweep(self, now: float, idle_s: float, answer_s: float) -> str:
        self.idle_upstream.sweep(now, idle_s)
        if self.has_left():
            self.transport.abort()
        return self._exchange.sweep(now, answer_s) if self._exchange is not None else ""

    # Reading, and the end of it

    def block_reading(self, blocked: bool) -> None:
        """Back-pressure of the backend: pause or resume reading of the request's body."""
        self.is_blocked = blocked
        self._update_reading()

    def _update_reading(self) -> None:
        """Pause reading while the data could not be passed on, and resume it afterwards."""
        pause = self.is_blocked or len(self._waiting) > MAX_WAITING_BYTES
        if pause != self._is_paused and not self.transport.is_closing():
            self._is_paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _time_out_head(self) -> None:
        self.answer(problems.timed_out(), None, is_read=False)
        self._waiting = b""

    def _close(self, *, unread: bool) -> None:
        if not unread or self._is_half_closed:
            self.transport.close()
            return
        self._is_lingering = True
        self._waiting = b""
        self.is_blocked = False
        self._update_reading()
        finish(self.transport)
        self._context.loop.call_later(LINGER_S, self.transport.close)

    def _check_half_closed(self) -> bool:
        """Whether a half-closed client waits for its response; if so, check again later."""
        if (self._exchange is None and not self._waiting) or self.transport.is_closing():
            # All requests are answered, and no more can arrive.
            self.transport.close()
            return False
        if is_gone(self.transport) is not False:
            self.transport.abort()
            return False
        self._context.loop.call_later(HALF_CLOSED_CHECK_S, self._check_half_closed)
        return True
