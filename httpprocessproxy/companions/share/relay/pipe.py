"""Bodies in transit between a visitor and a worker, piece by piece.

The rule: back-pressure. A sender waits while a window of sent bytes has not been received. An end
that leaves cuts the pipe, and the other end gets the reason.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

# Enough to keep a link of 100 Mbit/s and 80 ms busy; a thousand concurrent visits take 1 GiB.
WINDOW_BYTES: Final = 1024 * 1024

PIECE_BYTES: Final = 64 * 1024


class CutError(Exception):
    """The body ended too early; the text is the reason."""


class PipeFullError(Exception):
    """The body is larger than its limit."""


class Source(Protocol):
    """The readable end of a body."""

    async def receive(self) -> bytes:
        """Wait for the next piece; b"" at the end, repeatedly. Raises CutError."""
        ...


class PipeSink(Protocol):
    """The writable end of a body."""

    async def send(self, piece: bytes) -> None:
        """Send a piece, which is not empty, as soon as there is room. Raises CutError."""
        ...

    def end(self) -> None:
        """Mark the end of the body."""
        ...

    def cut(self, reason: str) -> None:
        """Mark the rest as lost. No effect after the end, or after another cut."""
        ...


class Pipe:
    """A queue of pieces, with a sink at one end and a source at the other."""

    def __init__(self, window_bytes: int = WINDOW_BYTES) -> None:
        # Called with the size of each received piece, for the flow control of a `put` sender.
        self.on_received: Callable[[int], None] = lambda size_bytes: None
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._window_bytes = window_bytes
        self._ended = False
        self._reason: str | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def send(self, piece: bytes) -> None:
        await self._room.wait()
        self._check()
        assert piece, "an empty piece would be the end"
        self.put(piece)

    def put(self, piece: bytes) -> None:
        """Send a piece without waiting. The caller keeps to the window by `on_received`."""
        if self._reason is not None:
            return
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes >= self._window_bytes:
            self._room.clear()
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    def cut(self, reason: str) -> None:
        if self._reason is not None or (self._ended and not self._pieces):
            return
        self._reason = reason
        self._pieces.clear()
        self._changed.set()
        self._room.set()

    async def receive(self) -> bytes:
        while not self._pieces:
            self._check()
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        if self._held_bytes < self._window_bytes:
            self._room.set()
        self.on_received(len(piece))
        return piece

    def _check(self) -> None:
        if self._reason is not None:
            raise CutError(self._reason)


class BytesSource:
    """A source of bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    async def receive(self) -> bytes:
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        return bytes(piece)


async def whole(source: Source, limit_bytes: int, keep: Callable[[int], None]) -> bytes:
    """Read a source to its end. `keep` gets the size of each piece, and may raise.

    Raises PipeFullError beyond `limit_bytes`, and CutError.
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
    """Copy a source into a sink, with its end or its cut. Raises CutError if either is cut."""
    try:
        while piece := await source.receive():
            await sink.send(piece)
    except CutError as error:
        sink.cut(str(error))
        raise
    sink.end()
