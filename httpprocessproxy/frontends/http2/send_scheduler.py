"""Whose turn it is to send on an HTTP/2 connection.

A frame each, so that no response waits for the whole of another (RFC 9113 section 2.2). A stream
whose window is used up loses its turn, until the client opens it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from h2.connection import H2Connection

from httpprocessproxy.frontends.http2.stream import Http2Stream
from httpprocessproxy.frontends.streams import StreamReset
from httpprocessproxy.system.faults import contained

# How much is made into frames before it is written: few system calls, and no long way ahead.
BATCH_BYTES: Final = 64 * 1024


class SendScheduler:
    """The streams that have something to send. `is_full` says that the client is slow to read."""

    def __init__(
        self,
        state: H2Connection,
        transport: asyncio.Transport,
        sent: Callable[[Http2Stream], None],
    ) -> None:
        """`sent` is told of each stream that had its turn: its response may have ended."""
        self.is_full = False
        self._state = state
        self._transport = transport
        self._sent = sent
        self._waiting: deque[Http2Stream] = deque()

    def add(self, stream: Http2Stream) -> None:
        """Let it have a turn, unless it waits for one already."""
        if not stream.is_queued and not stream.is_over:
            stream.is_queued = True
            self._waiting.append(stream)

    def send(self) -> None:
        """Send what there is room for."""
        while self._waiting and not self.is_full and not self._transport.is_closing():
            size_bytes = 0
            while self._waiting and size_bytes < BATCH_BYTES:
                size_bytes += self._send_one(self._waiting.popleft())
            self.write()
        self.write()

    def write(self) -> None:
        """Write the frames that have been made."""
        if not self._transport.is_closing() and (data := self._state.data_to_send()):
            self._transport.write(data)

    def _send_one(self, stream: Http2Stream) -> int:
        stream.is_queued = False
        if stream.is_over:
            return 0
        with contained("a response"):
            size_bytes = stream.send_some(self._state)
            if size_bytes and stream.has_work:
                self.add(stream)
            self._sent(stream)
            return size_bytes
        stream.reset(StreamReset.INTERNAL)
        return 0
