"""Bytes on their way between a visitor and a worker, piece by piece.

The rule: nobody is sent more than they take. A sender waits while what it sent before has not been
received, up to a window; an end that goes away cuts the pipe, and the other end is told why.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

# Enough to keep a link of 100 Mbit/s and 80 ms busy, little enough for a thousand visits at once.
WINDOW_BYTES: Final = 1024 * 1024

PIECE_BYTES: Final = 64 * 1024


class CutError(Exception):
    """The bytes ended too early; the text says why."""


class PipeFullError(Exception):
    """There are more bytes than may be kept."""


class Source(Protocol):
    """Where pieces come from."""

    async def receive(self) -> bytes:
        """Wait for the next piece; b"" is the end, again and again. Raises CutError."""
        ...


class PipeSink(Protocol):
    """Where pieces go to."""

    async def send(self, piece: bytes) -> None:
        """Pass on a piece, which is not empty, as soon as there is room. Raises CutError."""
        ...

    def end(self) -> None:
        """Say that this was all."""
        ...

    def cut(self, reason: str) -> None:
        """Say that the rest is lost. Nothing happens after the end, or after another cut."""
        ...


class Pipe:
    """A sink and a source: what is sent at one end is received at the other, in this process."""

    def __init__(self, window_bytes: int = WINDOW_BYTES) -> None:
        # Hears how much has been received, to tell a sender elsewhere.
        self.on_received: Callable[[int], None] = lambda size_bytes: None
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._window_bytes = window_bytes
        self._ended = False
        self._reason: str | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def send(self, piece: bytes) -> None:
        await self._room.wait()
        self._check()
        assert piece, "an empty piece would be the end"
        self.put(piece)

    def put(self, piece: bytes) -> None:
        """Take a piece without waiting, from a sender that knows the window by other means."""
        if self._reason is not None:
            return
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes >= self._window_bytes:
            self._room.clear()
        self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def cut(self, reason: str) -> None:
        if self._reason is not None or (self._ended and not self._pieces):
            return
        self._reason = reason
        self._pieces.clear()
        self._news.set()
        self._room.set()

    async def receive(self) -> bytes:
        while not self._pieces:
            self._check()
            if self._ended:
                return b""
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        if self._held_bytes < self._window_bytes:
            self._room.set()
        self.on_received(len(piece))
        return piece

    def _check(self) -> None:
        if self._reason is not None:
            raise CutError(self._reason)


class Held:
    """A source of bytes that are all there."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    async def receive(self) -> bytes:
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        return bytes(piece)


async def whole(source: Source, limit_bytes: int, keep: Callable[[int], None]) -> bytes:
    """All of a source at once; `keep` is told of each piece's size, and may raise.

    Raises TooLargeError beyond the limit, or CutError.
    """
    pieces: list[bytes] = []
    held_bytes = 0
    while piece := await source.receive():
        held_bytes += len(piece)
        if held_bytes > limit_bytes:
            raise PipeFullError(f"more than {limit_bytes} bytes")
        keep(len(piece))
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def pour(source: Source, sink: PipeSink) -> None:
    """Pass on all of a source and its end, or its cut. Raises CutError if the sink has gone."""
    try:
        while piece := await source.receive():
            await sink.send(piece)
    except CutError as error:
        sink.cut(str(error))
        raise
    sink.end()
