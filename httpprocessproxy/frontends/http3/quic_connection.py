"""One QUIC connection on a UDP socket: datagrams in and out, and one timer (RFC 9000).

It passes events to an `Application`, which writes to `state`.
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

# As for a TLS handshake over TCP: enough for a slow phone.
HANDSHAKE_TIMEOUT_S: Final = 10.0

# uvloop's clock has a resolution of 1 ms, and its timers may fire half of that early.
_TICK_S: Final = 0.001

_UNSPECIFIED: Final = ("0.0.0.0", "::")


class Application(Protocol):
    """The protocol on top of a connection, e.g. HTTP/3."""

    def handle(self, event: QuicEvent) -> None:
        """Process an event of the connection."""

    def acknowledged(self) -> None:
        """Continue sending: a datagram may have acknowledged data."""

    def go_away(self) -> None:
        """Refuse new requests, and announce that to the client."""

    def closed(self) -> None:
        """Abandon all requests: the connection has closed. Called once."""


class Registry(Protocol):
    """The index of connections by their connection IDs."""

    def id_issued(self, connection_id: bytes, connection: "QuicServerConnection") -> None: ...

    def id_retired(self, connection_id: bytes, connection: "QuicServerConnection") -> None: ...

    def handshake_completed(self, connection: "QuicServerConnection") -> None:
        """Stop counting the connection as a handshake."""

    def ended(self, connection: "QuicServerConnection") -> None: ...


class QuicServerConnection:
    """One connection. When it ends, it calls `registry.ended`."""

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
        self._idle: asyncio.Future[None] | None = None
        self._is_send_scheduled = False
        self._is_closed = False
        self._server: tuple[str, int] | None = None

    @property
    def client(self) -> tuple[str, int]:
        """The client's present address, which may change by migration (RFC 9000 section 9)."""
        address = self.state.get_peer_address()
        assert address is not None, "a connection begins with a datagram"
        host, port = address[:2]
        return str(host), int(port)

    @property
    def server(self) -> tuple[str, int]:
        """The local address that the client uses."""
        if self._server is None:
            host, port = self._transport.get_extra_info("sockname")[:2]
            is_known = host not in _UNSPECIFIED
            self._server = (str(host), port) if is_known else source_towards(self.client, port)
        return self._server

    def receive(self, data: bytes, address: tuple[str, int]) -> None:
        """Process a datagram from the client."""
        self.state.receive_datagram(data, address, now=self._loop.time())
        self._process()
        self.send_soon()

    def send_soon(self) -> None:
        """Schedule sending; all writes of one event loop iteration are sent together."""
        if not self._is_send_scheduled:
            self._is_send_scheduled = True
            self._loop.call_soon(self._send)

    def ping(self) -> None:
        """Keep the connection alive while a response is pending (RFC 9000 section 10.1.2)."""
        if self.state.has_requests:
            self.state.send_ping(0)
            self.send_soon()

    def go_away(self) -> None:
        """Refuse new requests, and announce that to the client."""
        self._application.go_away()
        self.send_soon()

    async def wait_idle(self) -> None:
        """Wait until every request has been answered, or the connection is over."""
        while self.state.has_requests and not self.is_over:
            self._idle = self._loop.create_future()
            await self._idle

    def close(self, code: int) -> None:
        """Send CONNECTION_CLOSE, and end without waiting for the client's acknowledgement."""
        if not self.is_over:
            self.state.close(error_code=code)
            self._send()
            self.end()

    def end(self) -> None:
        """End immediately: cancel the timers, close the application and leave the registry."""
        if self.is_over:
            return
        self.is_over = True
        self._handshake.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._close_application()
        self._registry.ended(self)
        self._wake()

    def _process(self) -> None:
        self._take_events()
        if self.state.is_closing:
            self._close_application()
        else:
            self._application.acknowledged()

    def _take_events(self) -> None:
        while (event := self.state.next_event()) is not None:
            match event:
                case ConnectionIdIssued():
                    self._registry.id_issued(event.connection_id, self)
                case ConnectionIdRetired():
                    self._registry.id_retired(event.connection_id, self)
                case ConnectionTerminated():
                    self.end()
                case HandshakeCompleted():
                    self._handshake.cancel()
                    self._registry.handshake_completed(self)
                case _ if not self._is_closed:
                    self._application.handle(event)

    def _close_application(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._application.closed()

    def _send(self) -> None:
        self._is_send_scheduled = False
        if self.is_over or self._transport.is_closing():
            return
        for data, address in self.state.datagrams_to_send(now=self._loop.time()):
            self._transport.sendto(data, address)
        self._take_events()  # sending may have issued connection IDs
        if self.state.is_closing:
            # The closing period (RFC 9000 section 10.2) is not needed: later datagrams match no
            # connection ID, and are dropped.
            self.end()
            return
        self._arm()
        if not self.state.has_requests:
            self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _arm(self) -> None:
        """Set the timer to fire at the deadline or earlier; an early one is set again."""
        at = self.state.get_timer()
        if at is None:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._timer_expired)

    def _timer_expired(self) -> None:
        self._timer = None
        at, now = self.state.get_timer(), self._loop.time()
        if at is not None and at <= now + _TICK_S:
            self.state.handle_timer(now=max(at, now))
            self._process()
        if not self.is_over:
            self._send()
