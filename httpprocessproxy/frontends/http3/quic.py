"""QUIC server endpoint (RFC 9000): dispatches a UDP socket's datagrams to their connections.

The rule: datagrams of unauthenticated senders cost next to nothing. Invalid datagrams allocate no
state. A client has to validate its address (Retry, section 8.1.2) if the port is not limited to
loopback, or if many handshakes are in progress. Handshakes and connections are limited in number.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final, cast

from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # public, as its examples show
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from httpprocessproxy.frontends.http3.quic_connection import Application, QuicServerConnection
from httpprocessproxy.frontends.http3.quic_state import QuicState

Address = tuple[str, int]

MAX_CONNECTIONS: Final = 1024
MAX_HANDSHAKES: Final = 128
RETRY_ABOVE_HANDSHAKES: Final = 32

# Well below the idle timeouts of both sides; Chromium's is 30 s.
PING_S: Final = 12.0


class Endpoint(asyncio.DatagramProtocol):
    """One UDP socket. Each new connection uses the present values of `configuration`."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        new_application: Callable[[QuicServerConnection], Application],
        *,
        always_retry: bool,
    ) -> None:
        self.connections: dict[QuicServerConnection, set[bytes]] = {}  # with their connection IDs
        self._configuration = configuration
        self._new_application = new_application
        self._always_retry = always_retry
        self._tokens = QuicRetryTokenHandler()
        self._by_id: dict[bytes, QuicServerConnection] = {}
        self._handshakes: set[QuicServerConnection] = set()
        self._loop = asyncio.get_running_loop()
        self._lost = asyncio.Event()
        self._transport: asyncio.DatagramTransport
        self._ping: asyncio.TimerHandle

    async def drain(self, within_s: float) -> None:
        """Refuse new requests, and wait up to `within_s` seconds for the end of the open ones."""
        for connection in self.connections:
            connection.go_away()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for connection in list(self.connections):
                    await connection.wait_idle()

    async def close(self, code: int) -> None:
        """Close every connection with the application error `code`, and release the port."""
        self._ping.cancel()
        for connection in list(self.connections):
            connection.close(code)
        self._transport.close()
        await self._lost.wait()

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the same methods without being a subclass.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._ping = self._loop.call_later(PING_S, self._ping_all)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        buffer = Buffer(data=data)
        id_length = self._configuration.connection_id_length
        try:
            header = pull_quic_header(buffer, host_cid_length=id_length)
        except ValueError:
            return
        connection = self._by_id.get(header.destination_cid)
        if connection is not None:
            connection.receive(data, addr)
        elif len(data) >= SMALLEST_MAX_DATAGRAM_SIZE:
            self._receive_unknown(header, data, addr)

    # Registry

    def id_issued(self, connection_id: bytes, connection: QuicServerConnection) -> None:
        self._by_id[connection_id] = connection
        self.connections[connection].add(connection_id)

    def id_retired(self, connection_id: bytes, connection: QuicServerConnection) -> None:
        del self._by_id[connection_id]
        self.connections[connection].remove(connection_id)

    def handshake_completed(self, connection: QuicServerConnection) -> None:
        self._handshakes.discard(connection)

    def ended(self, connection: QuicServerConnection) -> None:
        self._handshakes.discard(connection)
        for connection_id in self.connections.pop(connection):
            del self._by_id[connection_id]

    # New connections

    def _receive_unknown(self, header: QuicHeader, data: bytes, address: Address) -> None:
        """Handle a datagram without a known connection ID that is large enough for a response."""
        if header.packet_type is QuicPacketType.VERSION_NEGOTIATION or header.version is None:
            return
        if header.version not in self._configuration.supported_versions:
            self._negotiate(header, address)
        elif header.packet_type is QuicPacketType.INITIAL and self._has_room:
            original_id = self._original_id(header, address)
            if original_id is not None:
                self._accept(header, data, address, original_id)
            elif self._always_retry or len(self._handshakes) >= RETRY_ABOVE_HANDSHAKES:
                self._retry(header, address)
            else:
                self._accept(header, data, address, None)

    @property
    def _has_room(self) -> bool:
        """Whether the limits allow a new connection; if not, clients retransmit and wait."""
        return len(self.connections) < MAX_CONNECTIONS and len(self._handshakes) < MAX_HANDSHAKES

    def _negotiate(self, header: QuicHeader, address: Address) -> None:
        """Send the supported versions (RFC 9000 section 6)."""
        answer = encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=self._configuration.supported_versions,
        )
        self._transport.sendto(answer, address)

    def _retry(self, header: QuicHeader, address: Address) -> None:
        assert header.version is not None
        retry_id = os.urandom(self._configuration.connection_id_length)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=retry_id,
            now=self._loop.time(),
        )
        answer = encode_quic_retry(
            version=header.version,
            source_cid=retry_id,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        self._transport.sendto(answer, address)

    def _original_id(self, header: QuicHeader, address: Address) -> bytes | None:
        """Return the client's first destination ID if its token is valid for this address.

        An invalid token may come from another server; it is ignored (RFC 9000 section 8.1.3).
        """
        try:
            return self._tokens.validate_token(
                address=address,
                destination_cid=header.destination_cid,
                token=header.token,
                now=self._loop.time(),
            )
        except ValueError:
            return None

    def _accept(
        self, header: QuicHeader, data: bytes, address: Address, original_id: bytes | None
    ) -> None:
        """Create a connection; `original_id` is not None after a Retry."""
        chosen_id = header.destination_cid
        retry_id = chosen_id if original_id is not None else None
        state = QuicState(self._configuration, original_id or chosen_id, retry_id)
        connection = QuicServerConnection(state, self._transport, self, self._new_application)
        self.connections[connection] = set()
        self._handshakes.add(connection)
        self.id_issued(chosen_id, connection)
        self.id_issued(state.host_cid, connection)
        connection.receive(data, address)
        if not state.has_begun:
            connection.end()  # the packet failed authentication: not from a QUIC client

    def _ping_all(self) -> None:
        for connection in self.connections:
            connection.ping()
        self._ping = self._loop.call_later(PING_S, self._ping_all)
