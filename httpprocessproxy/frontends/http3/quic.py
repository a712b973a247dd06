"""The end of QUIC (RFC 9000): a UDP socket's datagrams go to the connections they belong to.

The rule: what anybody can send costs next to nothing. Garbage leaves no trace; a client has to show
that its address is its own (Retry, section 8.1.2) where others can reach us, and where many
handshakes are under way; and there are never more than so many of those, or of connections.
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

# Well below the idle timeout of either side; Chromium's is 30 s.
PING_S: Final = 12.0


class Endpoint(asyncio.DatagramProtocol):
    """One UDP socket. `configuration` is looked at anew for each connection."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        new_application: Callable[[QuicServerConnection], Application],
        *,
        always_retry: bool,
    ) -> None:
        self.connections: dict[QuicServerConnection, set[bytes]] = {}  # each with its IDs
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
        """Take no more requests, and wait until those under way are done, but not longer."""
        for connection in self.connections:
            connection.go_away()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for connection in list(self.connections):
                    await connection.quiet()

    async def close(self, code: int) -> None:
        """End every connection with this code of the application, and set the port free."""
        self._ping.cancel()
        for connection in list(self.connections):
            connection.close(code)
        self._transport.close()
        await self._lost.wait()

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own is one in all but name.
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
            self._greet(header, data, addr)

    # Registry

    def identified(self, connection_id: bytes, connection: QuicServerConnection) -> None:
        self._by_id[connection_id] = connection
        self.connections[connection].add(connection_id)

    def retired(self, connection_id: bytes, connection: QuicServerConnection) -> None:
        del self._by_id[connection_id]
        self.connections[connection].remove(connection_id)

    def settled(self, connection: QuicServerConnection) -> None:
        self._handshakes.discard(connection)

    def ended(self, connection: QuicServerConnection) -> None:
        self._handshakes.discard(connection)
        for connection_id in self.connections.pop(connection):
            del self._by_id[connection_id]

    # Those who come

    def _greet(self, header: QuicHeader, data: bytes, address: Address) -> None:
        """Someone we do not know has sent a datagram large enough to be answered."""
        if header.packet_type is QuicPacketType.VERSION_NEGOTIATION or header.version is None:
            return
        if header.version not in self._configuration.supported_versions:
            self._negotiate(header, address)
        elif header.packet_type is QuicPacketType.INITIAL and self._has_room:
            original_id = self._original_id(header, address)
            if original_id is not None:
                self._admit(header, data, address, original_id)
            elif self._always_retry or len(self._handshakes) >= RETRY_ABOVE_HANDSHAKES:
                self._retry(header, address)
            else:
                self._admit(header, data, address, None)

    @property
    def _has_room(self) -> bool:
        """Clients send their first packet again: those who are not heard wait."""
        return len(self.connections) < MAX_CONNECTIONS and len(self._handshakes) < MAX_HANDSHAKES

    def _negotiate(self, header: QuicHeader, address: Address) -> None:
        """RFC 9000 section 6: say which versions there are."""
        answer = encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=self._configuration.supported_versions,
        )
        self._transport.sendto(answer, address)

    def _retry(self, header: QuicHeader, address: Address) -> None:
        assert header.version is not None
        our_id = os.urandom(self._configuration.connection_id_length)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=our_id,
            now=self._loop.time(),
        )
        answer = encode_quic_retry(
            version=header.version,
            source_cid=our_id,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        self._transport.sendto(answer, address)

    def _original_id(self, header: QuicHeader, address: Address) -> bytes | None:
        """The ID that a client chose first, if it comes from this address after a Retry of ours.

        A token that is not ours may be another server's, and counts for nothing (section 8.1.3).
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

    def _admit(
        self, header: QuicHeader, data: bytes, address: Address, original_id: bytes | None
    ) -> None:
        """Begin a connection; `original_id` is not None after a Retry."""
        chosen_id = header.destination_cid
        retry_id = chosen_id if original_id is not None else None
        state = QuicState(self._configuration, original_id or chosen_id, retry_id)
        connection = QuicServerConnection(state, self._transport, self, self._new_application)
        self.connections[connection] = set()
        self._handshakes.add(connection)
        self.identified(chosen_id, connection)
        self.identified(state.host_cid, connection)
        connection.receive(data, address)
        if not state.has_begun:
            connection.end()  # nobody who speaks QUIC has sealed that

    def _ping_all(self) -> None:
        for connection in self.connections:
            connection.ping()
        self._ping = self._loop.call_later(PING_S, self._ping_all)
