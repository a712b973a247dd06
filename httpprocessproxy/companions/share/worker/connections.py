"""Connections to the server, and the idle ones among them, for reuse (RFC 9112 section 9.3).

The rule: an idle connection has no exchange in progress. If the server has sent bytes on it
meanwhile, or closed it, it is not reused: those bytes would pass for the next response.
"""

import asyncio
import contextlib
from collections import deque
from typing import Final

from httpprocessproxy.companions.share.relay.pipe import PIECE_BYTES
from httpprocessproxy.config import Address
from httpprocessproxy.core.http.http1 import HEAD_END, MAX_HEAD_BYTES

# Below the 5 s after which Node closes an idle connection: the worker closes first, so the server
# never closes while a request is in flight.
IDLE_S: Final = 4.0

# The number of concurrent visits of one page. More idle connections would bring little.
MAX_IDLE: Final = 32


class LocalConnection:
    """A connection; `is_done`: an exchange has ended on it, and another may follow."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        protocol: "_CountingProtocol",
    ) -> None:
        self.writer = writer
        self.is_done = False
        self._reader = reader
        self._protocol = protocol
        self._read_bytes = 0
        self._reused_at_bytes: int | None = None

    async def head(self) -> bytes:
        """Wait for a head. Raises ConnectionError, and the errors of `StreamReader.readuntil`."""
        return self._count_read(await self._reader.readuntil(HEAD_END))

    async def read(self) -> bytes:
        """Wait for bytes; b"" at the end. Raises ConnectionError."""
        return self._count_read(await self._reader.read(PIECE_BYTES))

    def _count_read(self, data: bytes) -> bytes:
        self._read_bytes += len(data)
        return data

    @property
    def is_idle(self) -> bool:
        """Whether the connection is open, and all received bytes have been read."""
        is_open = not (self._protocol.ended or self.writer.is_closing())
        return is_open and self._read_bytes == self._protocol.size_bytes

    @property
    def is_stale(self) -> bool:
        """Whether the connection was reused, and closed before a byte of the response arrived."""
        return self._protocol.ended and self._reused_at_bytes == self._protocol.size_bytes

    def reuse(self) -> None:
        self.is_done = False
        self._reused_at_bytes = self._protocol.size_bytes

    def abort(self) -> None:
        self.writer.transport.abort()


class Connections:
    """The connections to one address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._idle: deque[tuple[float, LocalConnection]] = (
            deque()
        )  # with their expiry, oldest first
        self._sweep_timer: asyncio.TimerHandle | None = None

    def take(self) -> LocalConnection | None:
        """Take the idle connection used last; None if none is usable."""
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.is_idle:
                connection.reuse()
                return connection
            connection.abort()
        return None

    def release(self, connection: LocalConnection) -> None:
        """Keep a connection for IDLE_S if its exchange is done, otherwise abort it."""
        if not (connection.is_done and connection.is_idle) or len(self._idle) >= MAX_IDLE:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time() + IDLE_S, connection))
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_later(IDLE_S, self._sweep)

    def close(self) -> None:
        """Close all idle connections."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        while self._idle:
            self._idle.pop()[1].abort()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][0] <= loop.time():
            self._idle.popleft()[1].abort()
        until = self._idle[0][0] if self._idle else None
        self._sweep_timer = loop.call_at(until, self._sweep) if until is not None else None

    async def new(self) -> LocalConnection:
        """Connect to the first host of the address that accepts. Raises OSError."""
        if self._idle:
            # A server with one thread serves an idle connection until that closes, and accepts no
            # other: close one first.
            self._idle.popleft()[1].abort()
        loop = asyncio.get_running_loop()
        *others, last = self.address.hosts
        port = self.address.port
        for host in others:
            with contextlib.suppress(OSError):
                return _connected(*await loop.create_connection(_CountingProtocol, host, port))
        return _connected(*await loop.create_connection(_CountingProtocol, last, port))


class _CountingProtocol(asyncio.StreamReaderProtocol):
    """A stream protocol that counts the received bytes and records the end of the stream."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES, loop=loop)
        super().__init__(self.reader, loop=loop)
        self.size_bytes = 0
        self.ended = False

    def data_received(self, data: bytes) -> None:
        self.size_bytes += len(data)
        super().data_received(data)

    def eof_received(self) -> bool | None:
        self.ended = True
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        super().connection_lost(exc)


def _connected(transport: asyncio.Transport, protocol: _CountingProtocol) -> LocalConnection:
    loop, reader = asyncio.get_running_loop(), protocol.reader
    return LocalConnection(
        reader, asyncio.StreamWriter(transport, protocol, reader, loop), protocol
    )
