"""A connection to the backend or to the admin: reads responses, one at a time.

It handles the framing of responses, and reports events to its exchange, which decides about
retries and restarts.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

from httpprocessproxy.core.errors import BodyError, ResponseError
from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.http.headers import (
    generation_line,
    interim_response,
    outgoing_response,
)
from httpprocessproxy.core.http.holding import MAX_HELD_S, HeldResponse
from httpprocessproxy.core.http.http1 import (
    HEAD_END,
    ResponseHead,
    check_incomplete_response,
    parse_response,
    without_alt_svc,
)
from httpprocessproxy.core.http.reader import ResponseReader
from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.proxy.interfaces import ResponseHandler
from httpprocessproxy.proxy.transports import linger_none, quick_ack, read_rest


@dataclass(slots=True)
class ResponseContext:
    """The parts that all connections to a service share: they read and correct responses.

    `injector` puts the script into documents. `hides_alt_svc` removes Alt-Svc (RFC 7838): it names
    an address of the backend, and not of the proxy. `strips`: see `DestinationOptions`. `upstreams`
    are the open connections, and `superseded` are generations with newer files.
    """

    loop: asyncio.AbstractEventLoop
    response_fields: ResponseFields
    injector: Injector | None
    hides_alt_svc: bool
    strips: bool = False
    reader: ResponseReader = field(init=False)
    upstreams: set["UpstreamConnection"] = field(default_factory=set)
    superseded: set[GenerationId] = field(default_factory=set)

    def __post_init__(self) -> None:
        adds_no_cache = self.response_fields.adds_no_cache
        self.reader = ResponseReader(adds_no_cache=adds_no_cache, strips=self.strips)

    def fields_of(self, generation: GenerationId | None) -> bytes:
        """Header lines for responses to trusted clients, which name the generation."""
        is_superseded = generation in self.superseded
        return generation_line(generation.number, is_superseded) if generation else b""


class UpstreamConnection(asyncio.Protocol):
    """A connection, used by one exchange at a time; `generation` is None for the admin."""

    def __init__(self, context: ResponseContext, generation: GenerationId | None) -> None:
        self.generation = generation
        self.fields = context.fields_of(generation)
        self.idle_since = 0.0
        self.transport: asyncio.Transport
        self._context = context
        self._exchange: ResponseHandler | None = None
        self._head = b""  # the beginning of an incomplete response head
        self._response: Response | None = None
        self._held: HeldResponse | None = None  # the same response, until it is passed on
        self._held_until: asyncio.TimerHandle
        self._has_ended = False  # the response is complete, and the request may not be
        self._served = 0

    @property
    def reused(self) -> bool:
        return self._served > 0

    @property
    def is_busy(self) -> bool:
        """Whether it serves a request."""
        return self._exchange is not None

    @property
    def end(self) -> tuple[str, int] | None:
        """The local address of the connection; None for the admin, which has a Unix socket."""
        name: object = self.transport.get_extra_info("sockname")
        return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None

    # Called by an exchange

    def send(self, handler: ResponseHandler, data: bytes) -> None:
        """Send a request, whose response goes to `handler`."""
        # Registered here, since uvloop does not report the end of a connection cancelled earlier.
        self._context.upstreams.add(self)
        if not self._served:
            self.name_generation()  # it may have been superseded while the connection was made
        self._exchange = handler
        self._has_ended = False
        self.transport.write(data)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def abort(self) -> None:
        """Close with RST at once: the response is not needed any more."""
        self._exchange = None
        self._drop_held()
        linger_none(self.transport)
        self.transport.abort()

    def close(self) -> None:
        """Close an idle connection, or one whose exchange is complete."""
        self._exchange = None
        self.transport.close()

    def hand_over(self) -> asyncio.Transport:
        """Leave the transport to a tunnel."""
        self._context.upstreams.discard(self)
        return self.transport

    def name_generation(self) -> None:
        """Update the fields that name the generation."""
        self.fields = self._context.fields_of(self.generation)

    def end_generation(self) -> None:
        """The backend is being stopped, or has ended: close, and pass no more of it on."""
        exchange, self._exchange = self._exchange, None
        self._drop_held()
        self.transport.abort()
        if exchange is not None:
            exchange.lost(Loss.RESTARTED)

    def reclaim_unaccepted(self) -> None:
        """Close a connection that no server has accepted, and return its request to the gate."""
        exchange, self._exchange = self._exchange, None
        self._drop_held()
        self.transport.abort()
        if exchange is not None:
            exchange.reclaimed()

    def give_up(self, problem: Problem) -> None:
        """Answer the request with `problem`, if the backend has not answered it."""
        if self._exchange is not None and self._exchange.is_unanswered:
            self._exchange.give_up(problem)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.upstreams.discard(self)
        # An upload may be refused by an answer, and its rest by a reset.
        if exc is not None and self._exchange is not None and (rest := read_rest(self.transport)):
            self.data_received(rest)
        self._on_end()

    def eof_received(self) -> None:
        self._on_end()

    def data_received(self, data: bytes) -> None:
        if self._exchange is None or self._has_ended:
            self.transport.abort()  # a response without a request
            self._on_end()
        elif self._response is not None:
            self._pass_on(self._response, data)
        else:
            self._receive_head(self._exchange, self._head + data if self._head else data)
        if self._exchange is not None and not self._has_ended:
            quick_ack(self.transport)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.block_request(True)

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.block_request(False)

    # Responses

    def _receive_head(
        self, exchange: ResponseHandler, data: bytes, *, has_ended: bool = False
    ) -> None:
        try:
            while (end := data.find(HEAD_END)) >= 0:
                end += len(HEAD_END)
                raw, rest = data[:end], data[end:]
                if self._context.hides_alt_svc:
                    raw = without_alt_svc(raw)
                request, response = exchange.request, None
                if not request.is_document:
                    # The common case: all lines of this head are cached.
                    response = self._context.reader.read(raw, request)
                if response is None:
                    head = self._parse(exchange, raw)
                    if head is None:
                        data = rest
                        continue
                    response = outgoing_response(head, request)
                    self._context.reader.learn(raw, response)
                    if request.is_document:
                        response = self._inject(exchange, head, response, rest, has_ended)
                if response is None:
                    # The decision depends on content of which no byte has arrived.
                    self._head = data
                else:
                    self._begin(exchange, response, rest)
                return
            check_incomplete_response(data)
        except ResponseError as error:
            self.abort()
            exchange.bad_response(str(error))
        else:
            self._head = data

    def _parse(self, exchange: ResponseHandler, raw: bytes) -> ResponseHead | None:
        """Parse a complete head, corrected by `ResponseFields`.

        Returns None for an interim response, which is passed on at once.
        """
        head = parse_response(raw)
        if head.status < 200 and head.status != 101:
            exchange.pass_interim(interim_response(head))
            return None
        name: object = self.transport.get_extra_info("peername")
        port = int(name[1]) if isinstance(name, tuple) else None  # the admin has no port
        return self._context.response_fields.mend(head, exchange.request, port, time.time())

    def _inject(
        self,
        exchange: ResponseHandler,
        head: ResponseHead,
        response: Response,
        rest: bytes,
        has_ended: bool,
    ) -> Response | None:
        """Return the response to a request for a document, with the script; None if undecided."""
        injector = self._context.injector
        if injector is None or not exchange.for_backend:
            return response
        return injector.inject(head, response, exchange.request, rest, has_ended=has_ended)

    def _begin(self, exchange: ResponseHandler, response: Response, rest: bytes) -> None:
        self._head = b""
        if response.upgrade:
            self._exchange = None
            exchange.switch_protocols(response, rest)
            return
        self._response = response
        try:
            piece = response.body.feed(rest) if not response.body.done else b""
        except BodyError as error:
            self._fail_body(exchange, error)
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
            self._held_until = self._context.loop.call_later(MAX_HELD_S, self._release, exchange)

    def _release(self, exchange: ResponseHandler) -> None:
        """Pass the held response on to `exchange`, unless it was dropped."""
        held, self._held = self._held, None
        if held is not None:
            self._held_until.cancel()
            exchange.begin_response(held.response, held.body)

    def _drop_held(self) -> None:
        """Drop the held response: the request is retried, or answered otherwise."""
        if self._held is not None:
            self._held = None
            self._held_until.cancel()

    def _pass_on(self, response: Response, data: bytes) -> None:
        assert self._exchange is not None
        try:
            piece = response.body.feed(data)
        except BodyError as error:
            self._fail_body(self._exchange, error)
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
        """The response is complete. A connection with surplus bytes is not reused."""
        exchange, self._response = self._exchange, None
        if exchange is None:
            return  # the exchange ended in a callback
        self._has_ended = True
        self._served += 1
        # A slow client may have paused reading, which would block the next exchange for ever.
        self.transport.resume_reading()
        exchange.end_response(reusable=response.backend_keep_alive and not surplus)

    def detach(self) -> None:
        """The exchange is over; the connection is idle."""
        self._exchange = None
        self.idle_since = self._context.loop.time()

    def _fail_body(self, exchange: ResponseHandler, error: BodyError) -> None:
        """The body is broken: send 502, or cut a response that has begun."""
        self.abort()
        exchange.bad_response(f"a broken body: {error}")

    def _on_end(self) -> None:
        """The backend closed: the body is complete, or was cut."""
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
