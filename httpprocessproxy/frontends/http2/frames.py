"""Splits the bytes of an HTTP/2 connection at frame boundaries (RFC 9113 section 4.1).

It limits the number of frames per event loop iteration: 256 KiB may hold 16 DATA frames of 16 KiB
or 20,000 WINDOW_UPDATE frames of 13 bytes, which would block all other connections for 0.3 s.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from httpprocessproxy.frontends.http2.settings import FRAMES_A_READ, FRAMES_AT_ONCE, TURN_S

_HEAD_BYTES = 9
_PREFACE_BYTES = 24  # "PRI * HTTP/2.0" and so on, in front of the client's first frame


class Http2Frames:
    """A queue of received bytes that is read in whole frames."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._at = 0  # offset in the first chunk
        self._missing = _PREFACE_BYTES  # bytes until the next frame header
        self._head = b""  # the beginning of a frame header

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, data: bytes) -> None:
        """Append received bytes."""
        if data:
            self._waiting.append(data)

    def take(self, limit: int) -> bytes:
        """Remove and return bytes up to the end of the `limit`th frame, or all of them."""
        taken: list[bytes] = []
        while self._waiting and limit > 0:
            data, begin = self._waiting[0], self._at
            at, limit = self._walk(data, begin, limit)
            taken.append(data[begin:at])
            self._at = at
            if at == len(data):
                self._waiting.popleft()
                self._at = 0
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _walk(self, data: bytes, at: int, limit: int) -> tuple[int, int]:
        """Advance by at most `limit` frame headers; return the new offset and the limit left."""
        size_bytes = len(data)
        while at < size_bytes and (limit > 0 or self._missing):
            step = min(self._missing, size_bytes - at)
            self._missing -= step
            at += step
            if self._missing or at == size_bytes or limit <= 0:
                break
            part = data[at : at + _HEAD_BYTES - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == _HEAD_BYTES:
                self._missing = int.from_bytes(self._head[:3], "big")
                self._head = b""
                limit -= 1
        return at, limit


class FrameReader:
    """Reads a connection's frames in batches, one batch per event loop iteration."""

    def __init__(
        self,
        transport: asyncio.Transport,
        read: Callable[[bytes], None],
        now: Callable[[], float] = time.monotonic,  # uvloop's loop time stands still in a callback
    ) -> None:
        """`read` processes up to FRAMES_A_READ frames; the last one may be incomplete."""
        self._transport = transport
        self._read = read
        self._now = now
        self._frames = Http2Frames()
        self._is_paused = False

    def put(self, data: bytes) -> None:
        """Read `data` now, or after the batches that are already queued."""
        self._frames.put(data)
        if not self._is_paused:
            self._read_some()

    def _read_some(self) -> None:
        self._read_batch()
        if self._transport.is_closing():
            return
        if self._frames:
            asyncio.get_running_loop().call_soon(self._read_some)
            if not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        elif self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _read_batch(self) -> None:
        """Read up to FRAMES_AT_ONCE frames, and stop after TURN_S seconds."""
        end = self._now() + TURN_S
        for _ in range(FRAMES_AT_ONCE // FRAMES_A_READ):
            self._read(self._frames.take(FRAMES_A_READ))
            if not self._frames or self._transport.is_closing() or self._now() >= end:
                return
