"""A replayed request's client: whatever it gets is discarded, as the log records the response."""

import asyncio

from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.inspector.request_log import RequestRecord
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.exchanges import Exchanges
from httpprocessproxy.proxy.idle_upstreams import IdleUpstream
from httpprocessproxy.proxy.interfaces import Upstream


class ReplayClient:
    """A `Downstream` that takes all data at once, and never leaves."""

    is_blocked = False

    def __init__(self, exchanges: Exchanges, replay_of: int) -> None:
        """`replay_of` is the number of the record that is replayed."""
        self.peer = exchanges.context.readers.private.peer
        self.replay_of = replay_of
        self.idle_upstream = IdleUpstream()
        self._exchanges = exchanges
        self._exchange: Exchange | None = None

    def send(self, request: Request, body: bytes) -> RequestRecord:
        """Send a request, and return its record, which gets the response."""
        self._exchanges.context.clients.add(self)
        self._exchange = exchange = self._exchanges.new(self, request)
        if not exchange.body.done and body:
            exchange.send_body(body)
        exchange.start()
        return exchange.record

    # Downstream

    def block_reading(self, blocked: bool) -> None:
        """Nothing: the whole body has been read."""

    def has_left(self) -> bool:
        return False

    def pass_interim(self, head: bytes) -> None:
        pass

    def begin_response(
        self,
        response: Response,
        piece: bytes,
        request: Request,
        fields: bytes = b"",
        *,
        keep_alive: bool,
    ) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def end_response(self) -> None:
        pass

    def exchange_ended(self, upstream: Upstream | None, *, is_read: bool) -> None:
        if upstream is not None:
            upstream.close()
        self._end()

    def answer(self, problem: Problem, request: Request | None, *, is_read: bool) -> None:
        self._end()

    def accepts(self, response: Response) -> bool:
        """Refuse a 101: without a client, the tunnel would never end."""
        return False

    def begin_tunnel(self) -> tuple[asyncio.Transport, bytes]:
        raise AssertionError("`accepts` refuses every tunnel")

    def pass_switch(self, response: Response, fields: bytes, rest: bytes) -> None:
        pass

    def cut(self) -> None:
        self._end()

    def abort(self) -> None:
        exchange = self._exchange
        self._end()
        if exchange is not None:
            exchange.cancel()

    def sweep(self, now: float, idle_s: float, answer_s: float) -> str:
        return self._exchange.sweep(now, answer_s) if self._exchange is not None else ""

    def _end(self) -> None:
        self._exchange = None
        self._exchanges.context.clients.discard(self)
