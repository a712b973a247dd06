"""Connections to the server, of which some are kept for the next visit (RFC 9112 section 9.3).

The rule: what is kept has nothing under way. One on which the server has said anything meanwhile,
or has closed, is not given out: what it said would pass for the answer to the next request.
"""

import asyncio
import contextlib
from collections import deque
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.share.relay.pipe import PIECE_BYTES
from httpprocessproxy.config import Address
from httpprocessproxy.core.http.http1 import HEAD_END, MAX_HEAD_BYTES

# An address, or the private socket of the core.
Target = Address | Path

# Below the 5 s after which Node closes a connection that idles: we close first, so no request is
# on its way when it does.
IDLE_S: Final = 4.0

# As many as a page has visits at once. One more would save as little as it costs.
MAX_KEPT: Final = 32


class LocalConnection:
    """`is_done`: one exchange is over on it, and both ends are ready for the next."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: "_Heard"
    ) -> None:
        self.writer = writer
        self.is_done = False
        self._reader = reader
        self._heard = heard
        self._taken_bytes = 0
        self._reused_at_bytes: int | None = None

    async def head(self) -> bytes:
        """Wait for a head. Raises what `StreamReader.readuntil` does, and ConnectionError."""
        return self._taken(await self._reader.readuntil(HEAD_END))

    async def read(self) -> bytes:
        """Wait for more; b"" is the end. Raises ConnectionError."""
        return self._taken(await self._reader.read(PIECE_BYTES))

    def _taken(self, data: bytes) -> bytes:
        self._taken_bytes += len(data)
        return data

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and nothing has come but what was taken."""
        is_open = not (self._heard.ended or self.writer.is_closing())
        return is_open and self._taken_bytes == self._heard.size_bytes

    @property
    def is_stale(self) -> bool:
        """Whether it was kept, and closed before anything came in answer to what went out since."""
        return self._heard.ended and self._reused_at_bytes == self._heard.size_bytes

    def reuse(self) -> None:
        self.is_done = False
        self._reused_at_bytes = self._heard.size_bytes

    def abort(self) -> None:
        self.writer.transport.abort()


class Connections:
    """Those to one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._kept: deque[tuple[float, LocalConnection]] = deque()  # the one kept last is the last
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self) -> LocalConnection | None:
        """One that was kept, if there is one that is still good."""
        while self._kept:
            connection = self._kept.pop()[1]
            if connection.is_idle:
                connection.reuse()
                return connection
            connection.abort()
        return None

    def release(self, connection: LocalConnection) -> None:
        """Keep it for a while if it is done, or else end it."""
        if not (connection.is_done and connection.is_idle) or len(self._kept) >= MAX_KEPT:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        self._kept.append((loop.time() + IDLE_S, connection))
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_S, self._sweep)

    def close(self) -> None:
        """Keep none any more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        while self._kept:
            self._kept.pop()[1].abort()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._kept and self._kept[0][0] <= loop.time():
            self._kept.popleft()[1].abort()
        until = self._kept[0][0] if self._kept else None
        self._sweeping = loop.call_at(until, self._sweep) if until is not None else None

    async def new(self) -> LocalConnection:
        """Make one, to the first host of the target that answers. Raises OSError."""
        if self._kept:
            # A server of one thread would wait on it, and not accept another, until we close it.
            self._kept.popleft()[1].abort()
        loop = asyncio.get_running_loop()
        if isinstance(self.target, Path):
            path = str(self.target)
            return _connected(*await loop.create_unix_connection(_Heard, path))
        *others, last = self.target.hosts
        for host in others:
            with contextlib.suppress(OSError):
                return _connected(*await loop.create_connection(_Heard, host, self.target.port))
        return _connected(*await loop.create_connection(_Heard, last, self.target.port))


class _Heard(asyncio.StreamReaderProtocol):
    """How much the other end has said in all, and whether it has gone."""

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


def _connected(transport: asyncio.Transport, heard: _Heard) -> LocalConnection:
    loop, reader = asyncio.get_running_loop(), heard.reader
    return LocalConnection(reader, asyncio.StreamWriter(transport, heard, reader, loop), heard)
