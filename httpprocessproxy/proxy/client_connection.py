"""A browser's connection: requests in, one at a time, responses out in the same order.

Requests behind the first wait in `_waiting` (RFC 9112 section 9.3.2, pipelining). The connection
outlives backends: it is closed only after a response that says so, or when nothing else can tell
the client that its response is broken.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from httpprocessproxy.core.errors import BodyError, RequestError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.http1 import HEAD_END, connection_option
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.timers import Timer
from httpprocessproxy.proxy.transports import finish, is_gone, linger_none, quick_ack

if TYPE_CHECKING:
    from httpprocessproxy.proxy.server import ProxyServer
    from httpprocessproxy.proxy.upstream_connection import UpstreamConnection

# A head may take this long to arrive: generous for a person at a keyboard, short for a slowloris.
HEAD_TIMEOUT_S = 30.0

# How much is read ahead of the response to the present request.
MAX_WAITING_BYTES = 64 * 1024

# After our last response, how long a client may go on sending what we no longer want: a close
# with unread bytes is a reset, which could destroy the response on its way (RFC 9112 section 9.6).
LINGER_S = 2.0

# A client that has stopped sending may be gone or may be waiting: how often to look.
HALF_CLOSED_CHECK_S = 0.5


class ClientConnection(asyncio.Protocol):
    """One connection. `_exchange` is the request being served, if any."""

    def __init__(self, proxy_server: "ProxyServer", fields: bytes = b"") -> None:
        """`fields` are lines that every response gets on this connection."""
        self.transport: asyncio.Transport
        self.peer: Peer
        self.fields = fields
        self.replay_of = 0  # the number of the request that is sent again, if it is one
        self._proxy_server = proxy_server
        self._reader: RequestReader
        self._waiting = b""
        self._exchange: Exchange | None = None
        self._upstream: UpstreamConnection | None = None  # idle, kept for the next request
        self._generation: int | None = None  # whose responses this connection has seen
        self._keep_alive = True
        self._is_half_closed = False
        self._is_lingering = False
        self.is_blocked = False  # the request's body cannot be passed on at present
        self._is_paused = False
        self._is_full = False  # what has been written is waiting for a slow reader
        self._head_timer = Timer(proxy_server.loop, HEAD_TIMEOUT_S, self._time_out_head)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._reader = self._proxy_server.reader(self.transport)
        self.peer = self._reader.peer
        self._proxy_server.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._proxy_server.clients.discard(self)
        self._head_timer.want(False)
        self._waiting = b""
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None
        self._drop_upstream()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        exchange = self._exchange
        if exchange is None and not self._is_full:
            self._waiting = self._waiting + data if self._waiting else data
            self._serve_waiting()
        elif exchange is None or exchange.body.done:
            self._waiting += data
            self._balance()
        else:
            self._receive_body(exchange, data)

    def eof_received(self) -> bool:
        """Tell a client that has gone from one that waits for its answer (RFC 9293 section 3.6)."""
        exchange = self._exchange
        is_whole = self._has_waiting_head() if exchange is None else exchange.body.done
        # The event loops' TLS ends both directions at once: nobody would get the answer.
        if self._is_lingering or not is_whole or not self.transport.can_write_eof():
            return False
        self._is_half_closed = True
        return self._is_still_there()

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
        # Pipelined, with its answers unread, a client would have us keep them all.
        while self._waiting and self._exchange is None and self._keep_alive and not self._is_full:
            try:
                if not self._serve_next():
                    return
            except RequestError as error:
                self._keep_alive = False
                self.answer(problems.refused(error), None)
                return

    def _serve_next(self) -> bool:
        """Begin with the next request, if its head is complete. Raises RequestError."""
        waiting = self._waiting
        while waiting.startswith(b"\r\n"):
            # RFC 9112 section 2.2: empty lines in front of a request are to be ignored.
            waiting = self._waiting = waiting[2:]
        taken = self._reader.take(waiting)
        self._head_timer.want(taken is None and bool(waiting))
        if taken is None:
            if waiting:
                quick_ack(self.transport)
            return False
        self._waiting = b""
        self.serve(*taken)
        return True

    def serve(self, request: Request, data: bytes) -> Exchange:
        """Begin with a request, of whose body `data` has come, or what is behind it."""
        interceptor = self._proxy_server.interceptor if request.is_intercepted else None
        if interceptor is not None and request.is_for_dashboard:
            interceptor = None
        make = Exchange if interceptor is None else interceptor.exchange
        self._exchange = exchange = make(self, self._proxy_server, request)
        if not exchange.body.done and data:
            self._receive_body(exchange, data)
        else:
            self._waiting = data
        if self._is_half_closed and not exchange.body.done:
            exchange.cancel()
            self.exchange_ended(exchange, None)
        elif not exchange.over:
            exchange.start()
        return exchange

    def _has_waiting_head(self) -> bool:
        # Empty lines in front of a request are none (RFC 9112 section 2.2).
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
        """Never let the backend take a broken body for a whole one."""
        if exchange.is_answered:
            exchange.cancel()
            self.cut()
        else:
            exchange.give_up(problems.refused(RequestError(400, str(error))))

    def take_upstream(self, generation: int, request: Request) -> "UpstreamConnection | None":
        """The kept backend connection, if this request may ride it.

        An unsafe request gets a new one: a kept one may be closing, and could not be replaced.
        """
        upstream, self._upstream = self._upstream, None
        if upstream is None or upstream.transport.is_closing():
            return None
        if upstream.generation == generation and request.is_safe:
            return upstream
        upstream.close()
        return None

    # Responses

    def begin_response(
        self,
        response: Response,
        piece: bytes,
        request: Request,
        fields: bytes = b"",
        *,
        keep_alive: bool,
    ) -> None:
        """Write a response's head with `fields`, and what there is of its body, at one go."""
        generation = self._proxy_server.gate.generation
        if generation != self._generation and self._parts_from(generation):
            keep_alive = False
        is_last = self._is_half_closed and not self._has_waiting_head()
        self._keep_alive = keep_alive and not is_last
        option = connection_option(keep_alive=self._keep_alive, is_http10=request.is_http10)
        self.transport.write(b"".join((response.head, fields, self.fields, option, b"\r\n", piece)))

    def _parts_from(self, generation: int | None) -> bool:
        """Whether a restart parts us: what a client has tied to its connection is of the old."""
        is_new = self._generation is not None
        if is_new and self._waiting:
            return False  # requests already here would be lost: they come first
        self._generation = generation
        return is_new

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def answer(self, problem: Problem, exchange: Exchange | None) -> None:
        """Answer ourselves, and go on with the connection if the request was read to its end."""
        request = exchange.request if exchange is not None else None
        if request is not None and not request.is_trusted:
            problem = problem.for_strangers()
        self._keep_alive = keep_alive = (
            exchange is not None and exchange.body.done and exchange.request.keep_alive
        )
        # RFC 9110 section 9.3.2: no content, whatever is wrong with the request.
        line = self._waiting if request is None else request.head
        is_head = line.startswith(b"HEAD ")
        self.transport.write(
            problems.answer(problem, request, self.fields, is_head=is_head, keep_alive=keep_alive)
        )
        self.exchange_ended(exchange, None)

    def exchange_ended(
        self, exchange: Exchange | None, upstream: "UpstreamConnection | None"
    ) -> None:
        """The present request is answered: serve the next one, or close."""
        self._exchange = None
        if upstream is not None:
            self._drop_upstream()
            if upstream.generation is None:
                upstream.close()
            else:
                self._upstream = upstream
        is_read = exchange is not None and exchange.body.done
        is_last = self._is_half_closed and not self._has_waiting_head()
        if not self._keep_alive or is_last or not is_read:
            self._close(unread=not is_read or bool(self._waiting))
            return
        self.is_blocked = False
        self._balance()
        if self._waiting:
            # Not from within the callback that ended the last one: it still has to return.
            self._proxy_server.loop.call_soon(self._serve_waiting)

    def cut(self) -> None:
        """End a response that has begun so that the client can tell it is not whole."""
        linger_none(self.transport)
        self.transport.abort()

    def leave(self) -> None:
        """Be as gone as if the client had closed, at once."""
        self.transport.abort()
        self.connection_lost(None)

    def has_left(self) -> bool:
        """Whether the client has gone while it was not read, when no event tells of it."""
        return self._is_paused and is_gone(self.transport) is True

    def give_up_transport(self) -> bytes:
        """The connection becomes a tunnel: return what came behind the request."""
        self._proxy_server.clients.discard(self)
        self._exchange = None
        self._drop_upstream()
        early, self._waiting = self._waiting, b""
        return early

    def sweep(self, now: float, idle_s: float, answer_s: float) -> bool:
        """Let go of an idle backend connection, or a late answer; whether an answer is due."""
        if self._upstream is not None and now - self._upstream.idle_since > idle_s:
            self._drop_upstream()
        if self.has_left():
            self.transport.abort()
        exchange = self._exchange
        if exchange is None or exchange.is_answered:
            return False
        if now - exchange.record.began_at > answer_s:
            exchange.timed_out()
        return exchange.is_unanswered

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()

    # Reading, and the end of it

    def block_reading(self, blocked: bool) -> None:
        """The request's body cannot be passed on at present."""
        self.is_blocked = blocked
        self._balance()

    def _balance(self) -> None:
        """Read only what can be used soon."""
        pause = self.is_blocked or len(self._waiting) > MAX_WAITING_BYTES
        if pause != self._is_paused and not self.transport.is_closing():
            self._is_paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _time_out_head(self) -> None:
        self.answer(problems.timed_out(), None)
        self._waiting = b""

    def _close(self, *, unread: bool) -> None:
        if not unread or self._is_half_closed:
            self.transport.close()
            return
        self._is_lingering = True
        self._waiting = b""
        self.is_blocked = False
        self._balance()
        finish(self.transport)
        self._proxy_server.loop.call_later(LINGER_S, self.transport.close)

    def _is_still_there(self) -> bool:
        """Whether a half-closed client waits for its answer; if so, look again later."""
        if (self._exchange is None and not self._waiting) or self.transport.is_closing():
            # Nothing is left to answer, and nothing more will come.
            self.transport.close()
            return False
        if is_gone(self.transport) is not False:
            self.transport.abort()
            return False
        self._proxy_server.loop.call_later(HALF_CLOSED_CHECK_S, self._is_still_there)
        return True
