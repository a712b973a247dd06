"""Round-robin scheduler for the streams that send on an HTTP/2 connection.

Each turn is one DATA frame, so that a response never waits for the whole of another (RFC 9113
section 2.2). A stream whose window is exhausted leaves the queue until the client opens it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from h2.connection import H2Connection

from httpprocessproxy.frontends.http2.stream import Http2Stream
from httpprocessproxy.system.faults import contained

# Frames are written in batches of this size: few system calls, and little data ahead of the client.
BATCH_BYTES: Final = 64 * 1024


class SendScheduler:
    """A queue of streams with data to send. `is_full`: the transport's send buffer is full."""

    def __init__(
        self,
        state: H2Connection,
        transport: asyncio.Transport,
        sent: Callable[[Http2Stream], None],
    ) -> None:
        """`sent` is called with each stream after its turn; its response may have ended."""
        self.is_full = False
        self._state = state
        self._transport = transport
        self._sent = sent
        self._waiting: deque[Http2Stream] = deque()

    def add(self, stream: Http2Stream) -> None:
        """Append the stream to the queue, unless it is queued or over."""
        if not stream.is_queued and not stream.is_over:
            stream.is_queued = True
            self._waiting.append(stream)

    def send(self) -> None:
        """Send until the queue is empty or the transport is full."""
        while self._waiting and not self.is_full and not self._transport.is_closing():
            size_bytes = 0
            while self._waiting and size_bytes < BATCH_BYTES:
                size_bytes += self._send_one(self._waiting.popleft())
            self.write()
        self.write()

    def write(self) -> None:
        """Write the frames that h2 has serialised."""
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
        stream.fail()
        return 0
