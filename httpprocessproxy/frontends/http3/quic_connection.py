"""One QUIC connection on a UDP socket: datagrams in and out, and its one timer (RFC 9000).

What it carries is an `Application`, which is told of events, and writes to `state`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
)

from httpprocessproxy.frontends.http3.quic_state import QuicState
from httpprocessproxy.frontends.http3.udp import source_towards

# As for a handshake over TCP: generous for a slow phone.
HANDSHAKE_TIMEOUT_S: Final = 10.0

# uvloop's clock ticks in milliseconds, and its timers may be early by half of one.
_TICK_S: Final = 0.001

_UNSPECIFIED: Final = ("0.0.0.0", "::")


class Application(Protocol):
    """What a connection carries."""

    def handle(self, event: QuicEvent) -> None:
        """Something has come."""

    def acknowledged(self) -> None:
        """Some of what was written may have been acknowledged: there may be room for more."""

    def go_away(self) -> None:
        """Take no more requests."""

    def closed(self) -> None:
        """The connection is over; called once."""


class Registry(Protocol):
    """Who finds connections by their IDs."""

    def identified(self, connection_id: bytes, connection: "QuicServerConnection") -> None: ...

    def retired(self, connection_id: bytes, connection: "QuicServerConnection") -> None: ...

    def settled(self, connection: "QuicServerConnection") -> None:
        """Its handshake is complete."""

    def ended(self, connection: "QuicServerConnection") -> None: ...


class QuicServerConnection:
    """It ends by itself, or when it is closed; then `registry` is told."""

    def __init__(
        self,
        state: QuicState,
        transport: asyncio.DatagramTransport,
        registry: Registry,
        new_application: Callable[["QuicServerConnection"], Application],
    ) -> None:
        self.state = state
        self.is_over = False
        self._application = new_application(self)
        self._transport = transport
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._handshake = self._loop.call_later(HANDSHAKE_TIMEOUT_S, self.end)
        self._quiet: asyncio.Future[None] | None = None
        self._sends_soon = False
        self._is_closed = False
        self._server: tuple[str, int] | None = None

    @property
    def client(self) -> tuple[str, int]:
        """Where the client is now: it may move (RFC 9000 section 9)."""
        address = self.state.get_peer_address()
        assert address is not None, "a connection begins with a datagram"
        host, port = address[:2]
        return str(host), int(port)

    @property
    def server(self) -> tuple[str, int]:
        """Where the client reaches us."""
        if self._server is None:
            host, port = self._transport.get_extra_info("sockname")[:2]
            is_known = host not in _UNSPECIFIED
            self._server = (str(host), port) if is_known else source_towards(self.client, port)
        return self._server

    def receive(self, data: bytes, address: tuple[str, int]) -> None:
        """Take a datagram that the client has sent."""
        self.state.receive_datagram(data, address, now=self._loop.time())
        self._digest()
        self.send_soon()

    def send_soon(self) -> None:
        """Send what has been written, once for all that the loop calls in this round."""
        if not self._sends_soon:
            self._sends_soon = True
            self._loop.call_soon(self._send)

    def ping(self) -> None:
        """Keep it alive while a response is awaited (RFC 9000 section 10.1.2)."""
        if self.state.has_requests:
            self.state.send_ping(0)
            self.send_soon()

    def go_away(self) -> None:
        """Take no more requests."""
        self._application.go_away()
        self.send_soon()

    async def quiet(self) -> None:
        """Wait until every request has been answered, or the connection is over."""
        while self.state.has_requests and not self.is_over:
            self._quiet = self._loop.create_future()
            await self._quiet

    def close(self, code: int) -> None:
        """Tell the client that it is over, and do not wait for what it says to that."""
        if not self.is_over:
            self.state.close(error_code=code)
            self._send()
            self.end()

    def end(self) -> None:
        """Forget it."""
        if self.is_over:
            return
        self.is_over = True
        self._handshake.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._close_application()
        self._registry.ended(self)
        self._wake()

    def _digest(self) -> None:
        self._take_events()
        if self.state.is_closing:
            self._close_application()
        else:
            self._application.acknowledged()

    def _take_events(self) -> None:
        while (event := self.state.next_event()) is not None:
            match event:
                case ConnectionIdIssued():
                    self._registry.identified(event.connection_id, self)
                case ConnectionIdRetired():
                    self._registry.retired(event.connection_id, self)
                case ConnectionTerminated():
                    self.end()
                case HandshakeCompleted():
                    self._handshake.cancel()
                    self._registry.settled(self)
                case _ if not self._is_closed:
                    self._application.handle(event)

    def _close_application(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._application.closed()

    def _send(self) -> None:
        self._sends_soon = False
        if self.is_over or self._transport.is_closing():
            return
        for data, address in self.state.datagrams_to_send(now=self._loop.time()):
            self._transport.sendto(data, address)
        self._take_events()  # the IDs that were just issued
        if self.state.is_closing:
            # What still comes belongs to nobody, and is dropped: no need to wait for it (RFC 9000
            # section 10.2).
            self.end()
            return
        self._arm()
        if not self.state.has_requests:
            self._wake()

    def _wake(self) -> None:
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    def _arm(self) -> None:
        """Have the timer ring no later than it should: if it is early, it looks again."""
        at = self.state.get_timer()
        if at is None:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._rang)

    def _rang(self) -> None:
        self._timer = None
        at, now = self.state.get_timer(), self._loop.time()
        if at is not None and at <= now + _TICK_S:
            self.state.handle_timer(now=max(at, now))
            self._digest()
        if not self.is_over:
            self._send()
