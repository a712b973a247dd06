"""The backend's output as text for subscribers: live, in batches of bounded size.

The rule: subscribers never slow the backend down. It may print 100 MB a second, and a batch still
holds only the last 64 KiB, states the number of bytes left out, and is published at most every
50 ms. Without subscribers no output is buffered.
"""

import asyncio
import codecs
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from httpprocessproxy.system.event_loop import call_from_thread

BATCH_BYTES: Final = 64 * 1024
# Faster than people read, slow enough for a page to render.
INTERVAL_S: Final = 0.05


class OutputText:
    """Batches output. Call `take` in the copying thread, and the rest in the event loop's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        is_wanted: Callable[[], bool],
        publish: Callable[[str, str], None],
    ) -> None:
        """`is_wanted` is called in any thread; `publish` gets a stream's name and its text."""
        self._loop = loop
        self._is_wanted = is_wanted
        self._publish = publish
        self._lock = threading.Lock()
        self._pieces: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._left_out_bytes = 0
        self._is_running = False
        # A piece may end within a character, and the streams alternate: one decoder for each.
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("replace") for name in ("stdout", "stderr")}

    def take(self, stream: str, piece: bytes) -> None:
        """Add a piece to the next batch, without blocking."""
        if not self._is_wanted():
            return
        with self._lock:
            self._pieces.append((stream, piece))
            self._bytes += len(piece)
            while self._bytes > BATCH_BYTES:
                left_out = len(self._pieces.popleft()[1])
                self._bytes -= left_out
                self._left_out_bytes += left_out
            begins, self._is_running = not self._is_running, True
        if begins:
            # The event loop may have ended already: a terminal can block this thread for longer.
            call_from_thread(self._loop, self._tick)

    def flush(self) -> None:
        """Publish all pieces taken so far."""
        with self._lock:
            pieces, self._pieces, self._bytes = self._pieces, deque(), 0
            left_out_bytes, self._left_out_bytes = self._left_out_bytes, 0
        if left_out_bytes:
            self._publish("stdout", f"\n[{left_out_bytes:,} bytes left out]\n")
        for stream, text in self._decoded(pieces):
            self._publish(stream, text)

    def _tick(self) -> None:
        """Publish a batch every `INTERVAL_S` seconds, until there is none."""
        with self._lock:
            self._is_running = bool(self._pieces)
        if self._is_running:
            self.flush()
            self._loop.call_later(INTERVAL_S, self._tick)

    def _decoded(self, pieces: deque[tuple[str, bytes]]) -> list[tuple[str, str]]:
        """Decode the pieces; adjacent pieces of one stream become one text."""
        texts: list[tuple[str, str]] = []
        for stream, piece in pieces:
            text = self._decoders[stream].decode(piece)
            if texts and texts[-1][0] == stream:
                text = texts.pop()[1] + text
            texts.append((stream, text))
        return [(stream, text) for stream, text in texts if text]
