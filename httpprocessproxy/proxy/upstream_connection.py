"""A connection to the backend, or to our own pages: responses in, one at a time.

It knows how responses are framed and nothing of what a restart means: it tells its exchange what
happened, and the exchange decides.
"""

import asyncio
import time
from typing import TYPE_CHECKING, cast

from httpprocessproxy.core.errors import BodyError, ResponseError
from httpprocessproxy.core.http.headers import GENERATION_LINE, interim_response, outgoing_response
from httpprocessproxy.core.http.holding import MAX_HELD_S, HeldResponse
from httpprocessproxy.core.http.http1 import (
    HEAD_END,
    ResponseHead,
    check_incomplete_response,
    parse_response,
    without_alt_svc,
)
from httpprocessproxy.core.http.replay import Loss
from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.proxy.transports import linger_none, quick_ack, read_rest

if TYPE_CHECKING:
    from httpprocessproxy.proxy.exchange import Exchange
    from httpprocessproxy.proxy.server import ProxyServer


class UpstreamConnection(asyncio.Protocol):
    """One connection, used by one exchange after the other; `generation` is None for our pages."""

    def __init__(self, proxy_server: "ProxyServer", generation: int | None) -> None:
        self.generation = generation
        # The lines that responses to trusted clients get: which start of the backend they are from.
        self.fields = b"" if generation is None else GENERATION_LINE % generation
        self.idle_since = 0.0
        self.transport: asyncio.Transport
        self._proxy_server = proxy_server
        self._exchange: Exchange | None = None
        self._head = b""  # the beginning of a response head whose end has not come yet
        self._response: Response | None = None
        self._held: HeldResponse | None = None  # the same, until it is passed on
        self._held_until: asyncio.TimerHandle
        self._served = 0

    @property
    def reused(self) -> bool:
        return self._served > 0

    @property
    def end(self) -> tuple[str, int] | None:
        """Our address, as the backend sees it; None for our pages, which are no TCP server."""
        name: object = self.transport.get_extra_info("sockname")
        return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None

    # What an exchange does

    def send(self, exchange: "Exchange", data: bytes) -> None:
        """Begin with a request; its answer goes to `exchange`."""
        # Not when it is made: of one whose making is given up, uvloop does not tell the end.
        self._proxy_server.upstreams.add(self)
        self._exchange = exchange
        self.transport.write(data)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def abort(self) -> None:
        """Close at once: whatever the backend still does for this request is of no use."""
        self._exchange = None
        self._drop_held()
        linger_none(self.transport)
        self.transport.abort()

    def close(self) -> None:
        """Close an idle connection, or one whose exchange is complete."""
        self._exchange = None
        self.transport.close()

    def end_generation(self) -> None:
        """The backend is being stopped, or is gone: nothing it still sends may be passed on."""
        exchange, self._exchange = self._exchange, None
        self._drop_held()
        self.transport.abort()
        if exchange is not None:
            exchange.lost(Loss.RESTARTED)

    def reclaim_unaccepted(self) -> None:
        """No server has accepted this connection, and none will."""
        exchange, self._exchange = self._exchange, None
        self._drop_held()
        self.transport.abort()
        if exchange is not None:
            exchange.taken_back()

    def give_up(self, problem: Problem) -> None:
        """Answer a request with `problem` that the backend has not answered."""
        if self._exchange is not None and self._exchange.is_unanswered:
            self._exchange.give_up(problem)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._proxy_server.upstreams.discard(self)
        # An upload may be refused by an answer, and its rest by a reset.
        if exc is not None and self._exchange is not None and (rest := read_rest(self.transport)):
            self.data_received(rest)
        self._ended()

    def eof_received(self) -> None:
        self._ended()

    def data_received(self, data: bytes) -> None:
        if self._exchange is None or self._exchange.response_ended:
            self.transport.abort()  # a response nobody asked for
            self._ended()
        elif self._response is not None:
            self._pass_on(self._response, data)
        else:
            self._receive_head(self._exchange, self._head + data if self._head else data)
        if self._exchange is not None and not self._exchange.response_ended:
            quick_ack(self.transport)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.block_request(True)

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.block_request(False)

    # Responses

    def _receive_head(self, exchange: "Exchange", data: bytes, *, has_ended: bool = False) -> None:
        try:
            while (end := data.find(HEAD_END)) >= 0:
                end += len(HEAD_END)
                raw, rest = data[:end], data[end:]
                if self._proxy_server.hides_alt_svc:
                    raw = without_alt_svc(raw)
                request, response = exchange.request, None
                if not request.is_document:
                    # Nearly always: nothing of this head is new.
                    response = self._proxy_server.responses.read(raw, request)
                if response is None:
                    head = self._parse(exchange, raw)
                    if head is None:
                        data = rest
                        continue
                    response = outgoing_response(head, request)
                    self._proxy_server.responses.learn(raw, response)
                    if request.is_document:
                        response = self._inject(exchange, head, response, rest, has_ended)
                if response is None:
                    self._head = data  # it goes on with its content, of which nothing has come
                else:
                    self._begin(exchange, response, rest)
                return
            check_incomplete_response(data)
        except ResponseError as error:
            self.abort()
            exchange.bad_response(str(error))
        else:
            self._head = data

    def _parse(self, exchange: "Exchange", raw: bytes) -> ResponseHead | None:
        """Read a whole head, without what would be wrong for the client, see `ResponseFields`.

        None for an interim one, which is passed on at once.
        """
        head = parse_response(raw)
        if head.status < 200 and head.status != 101:
            exchange.pass_interim(interim_response(head))
            return None
        name: object = self.transport.get_extra_info("peername")
        port = int(name[1]) if isinstance(name, tuple) else None  # our pages have none
        return self._proxy_server.response_fields.mend(head, exchange.request, port, time.time())

    def _inject(
        self,
        exchange: "Exchange",
        head: ResponseHead,
        response: Response,
        rest: bytes,
        has_ended: bool,
    ) -> Response | None:
        """What becomes of the response to a request for a document; None: that is still open."""
        injector = self._proxy_server.injector
        if injector is None or not exchange.for_backend:
            return response
        return injector.inject(head, response, exchange.request, rest, has_ended=has_ended)

    def _begin(self, exchange: "Exchange", response: Response, rest: bytes) -> None:
        self._head = b""
        if response.upgrade:
            self._exchange = None
            exchange.switch_protocols(response, rest)
            return
        self._response = response
        try:
            piece = response.body.feed(rest) if not response.body.done else b""
        except BodyError as error:
            self._break_off(exchange, error)
            return
        if response.body.done:
            exchange.begin_response(response, piece)
            self._finish(response, surplus=bool(response.body.rest or (rest and not piece)))
            return
        held = HeldResponse(response, exchange.request, piece)
        if held.is_due:
            exchange.begin_response(response, piece)
        else:
            self._held = held
            self._held_until = self._proxy_server.loop.call_later(
                MAX_HELD_S, self._release, exchange
            )

    def _release(self, exchange: "Exchange") -> None:
        """Pass on to `exchange` what has been held back for it, if that is still wanted."""
        held, self._held = self._held, None
        if held is not None:
            self._held_until.cancel()
            exchange.begin_response(held.response, held.body)

    def _drop_held(self) -> None:
        """The request goes elsewhere, or is answered otherwise."""
        if self._held is not None:
            self._held = None
            self._held_until.cancel()

    def _pass_on(self, response: Response, data: bytes) -> None:
        assert self._exchange is not None
        try:
            piece = response.body.feed(data)
        except BodyError as error:
            self._break_off(self._exchange, error)
            return
        held = self._held
        if held is not None:
            held.add(piece)
            if held.is_due or response.body.done:
                self._release(self._exchange)
        elif piece:
            self._exchange.pass_body(piece)
        if response.body.done:
            self._finish(response, surplus=bool(response.body.rest))

    def _finish(self, response: Response, *, surplus: bool) -> None:
        """The response is complete. A backend that sent more than that is not asked again."""
        exchange, self._response = self._exchange, None
        if exchange is None:
            return  # it has given up, on hearing this
        self._served += 1
        # A slow client may have stopped it: who uses the connection next would wait for ever.
        self.transport.resume_reading()
        exchange.end_response(reusable=response.backend_keep_alive and not surplus)

    def detach(self) -> None:
        """The exchange is over; the connection waits for the next."""
        self._exchange = None
        self.idle_since = self._proxy_server.loop.time()

    def _break_off(self, exchange: "Exchange", error: BodyError) -> None:
        """The body is broken: say so in place of the response, while nothing was passed on."""
        self.abort()
        exchange.bad_response(f"a broken body: {error}")

    def _ended(self) -> None:
        """The backend closed: the end of the body, or too early."""
        if self._exchange is not None and self._response is None and self._head:
            self._receive_head(self._exchange, self._head, has_ended=True)
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self._response is None:
            exchange.lost(Loss.HUNG_UP)
            return
        try:
            last = self._response.body.end()
        except BodyError as error:
            self._drop_held()
            if exchange.is_answered:
                exchange.bad_response(f"a broken body: {error}")
            else:
                exchange.lost(Loss.BROKEN_OFF)
            return
        if self._held is not None:
            self._held.add(last)
            self._release(exchange)
        elif last:
            exchange.pass_body(last)
        exchange.end_response(reusable=False)
