"""Where the frames of an HTTP/2 connection end (RFC 9113 section 4.1), to read some at a time.

A read of 256 KiB has one DATA frame in 16 KiB, or one WINDOW_UPDATE in 13 bytes: 20,000 of them
would keep all other connections waiting for 0.3 s.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from httpprocessproxy.frontends.http2.settings import FRAMES_A_READ, FRAMES_AT_ONCE, TURN_S

_HEAD_BYTES = 9
_PREFACE_BYTES = 24  # "PRI * HTTP/2.0" and so on, in front of the client's first frame


class Http2Frames:
    """The bytes that have come and wait to be read."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._at = 0  # in the first of them
        self._missing = _PREFACE_BYTES  # until the next head begins
        self._head = b""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, data: bytes) -> None:
        """Take what came."""
        if data:
            self._waiting.append(data)

    def take(self, limit: int) -> bytes:
        """Return what waits, up to the end of `limit` frames."""
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
        """Go on by at most `limit` heads; return where that ends, and how many may follow."""
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


class Reading:
    """Reads a connection's frames, some in each round of the event loop."""

    def __init__(
        self,
        transport: asyncio.Transport,
        read: Callable[[bytes], None],
        now: Callable[[], float] = time.monotonic,  # uvloop's own clock stands still meanwhile
    ) -> None:
        """`read` takes FRAMES_A_READ frames at most, of which the last may be a part of one."""
        self._transport = transport
        self._read = read
        self._now = now
        self._frames = Http2Frames()
        self._is_paused = False

    def put(self, data: bytes) -> None:
        """Read what came now, or when other connections had their turn."""
        self._frames.put(data)
        if not self._is_paused:
            self._read_some()

    def _read_some(self) -> None:
        self._take_turn()
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

    def _take_turn(self) -> None:
        """Read what waits, up to FRAMES_AT_ONCE frames, and no further after TURN_S."""
        end = self._now() + TURN_S
        for _ in range(FRAMES_AT_ONCE // FRAMES_A_READ):
            self._read(self._frames.take(FRAMES_A_READ))
            if not self._frames or self._transport.is_closing() or self._now() >= end:
                return
