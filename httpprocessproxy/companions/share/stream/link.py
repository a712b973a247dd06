"""A link: one WebSocket that carries the frames of all channels, the same at both ends.

The rule: frames are sent in the order in which they were queued. DATA waits for room in the queue,
so that a slow link holds about OUTBOX_BYTES in memory; all other frames are queued at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from httpprocessproxy.companions.share.relay.pipe import CutError
from httpprocessproxy.companions.share.stream.channel import StreamChannel
from httpprocessproxy.companions.share.stream.frames import (
    FULL_MESSAGE_BYTES,
    Frame,
    FrameError,
    ReadyFrame,
    VisitFrame,
    decode,
    encode,
    pack,
    unpack,
)

OUTBOX_BYTES: Final = 256 * 1024

# The interval of WebSocket pings, which both ends send, and the timeout of a pong.
PING_S: Final = 15.0


class LinkLostError(Exception):
    """The link is lost; the text is the reason."""


class Wire(Protocol):
    """A WebSocket, independent of its library."""

    async def send(self, message: bytes) -> None:
        """Write a binary message, and return when the kernel has it. Raises LinkLostError."""
        ...

    async def receive(self) -> bytes:
        """Wait for a binary message. Raises LinkLostError."""
        ...


class Channel(Protocol):
    """One visit, as the link uses it."""

    def take(self, frame: Frame) -> None:
        """Handle a received frame of this channel. Raises FrameError if it is not allowed now."""
        ...

    def lose(self, reason: str) -> None:
        """End the visit: the link is lost."""
        ...


class Sender(Protocol):
    """A channel that has a piece of a body to send."""

    def send_some(self) -> bool:
        """Send one DATA frame by `put`. Return whether there is another one."""
        ...


# Called with each received READY or VISIT frame.
OnOpened = Callable[[ReadyFrame | VisitFrame], None]


class Link:
    """One end of a link. Frames are sent and received while `run` runs."""

    def __init__(self, wire: Wire, on_opened: OnOpened) -> None:
        """`on_opened` may raise FrameError, which ends the link."""
        self.is_lost = False
        self._wire = wire
        self._on_opened = on_opened
        self._channels: dict[int, Channel] = {}
        self._outbox: deque[tuple[bytes, asyncio.Future[bool] | None]] = deque()
        self._outbox_bytes = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._turns: deque[Sender] = deque()

    async def run(self) -> None:
        """Send and receive frames until the link is lost. Raises LinkLostError or FrameError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_all(), name="frames out")
                tasks.create_task(self._read_all(), name="frames in")
        except* (LinkLostError, FrameError) as group:
            raise group.exceptions[0] from None
        finally:
            self._lose()

    def open(self, number: int) -> StreamChannel:
        """Open a channel at the relay's end; its number must be new."""
        channel = StreamChannel(number, self)
        self.add(number, channel)
        return channel

    def add(self, number: int, channel: Channel) -> None:
        """Add a channel, whose number must be new."""
        assert number not in self._channels
        self._channels[number] = channel
        if self.is_lost:
            channel.lose(_LOST)

    async def deliver(self, frame: Frame, queue_more: Callable[[], None] | None = None) -> bool:
        """Send a frame, and wait until it is written; False if the link is lost before that.

        After False the other end has not received the frame. `queue_more` may queue frames that
        belong into the same message.
        """
        if self.is_lost:
            return False
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._append(encode(frame), written)
        if queue_more is not None:
            queue_more()
        return await written

    # For channels (channel.Carrier, visit_channel.VisitCarrier)

    def put(self, frame: Frame) -> None:
        if not self.is_lost:
            self._append(encode(frame), None)

    async def send(self, frame: Frame) -> None:
        while self._outbox_bytes >= OUTBOX_BYTES and not self.is_lost:
            self._room.clear()
            await self._room.wait()
        if self.is_lost:
            raise CutError(_LOST)
        self.put(frame)

    def request_turn(self, channel: Sender) -> None:
        """Let a channel send its DATA, in turns with all others, while the queue has room."""
        self._turns.append(channel)
        self._give_turns()

    def _give_turns(self) -> None:
        while self._turns and self._outbox_bytes < OUTBOX_BYTES:
            channel = self._turns.popleft()
            if channel.send_some():
                self._turns.append(channel)

    def forget(self, channel: int) -> None:
        self._channels.pop(channel, None)

    def _append(self, message: bytes, written: asyncio.Future[bool] | None) -> None:
        self._outbox.append((message, written))
        self._outbox_bytes += len(message)
        self._filled.set()

    async def _write_all(self) -> None:
        while True:
            while not self._outbox:
                self._filled.clear()
                await self._filled.wait()
            batch = self._batch()
            await self._wire.send(pack(frame for frame, _ in batch))
            for frame, written in batch:
                self._outbox.popleft()
                self._outbox_bytes -= len(frame)
                _settle(written, True)
            if self._outbox_bytes < OUTBOX_BYTES:
                self._room.set()
                self._give_turns()

    def _batch(self) -> list[tuple[bytes, asyncio.Future[bool] | None]]:
        """The next frames of the queue, for one message."""
        batch, size_bytes = [], 0
        for frame, written in self._outbox:
            batch.append((frame, written))
            size_bytes += len(frame)
            if size_bytes >= FULL_MESSAGE_BYTES:
                break
        return batch

    async def _read_all(self) -> None:
        while True:
            for message in unpack(await self._wire.receive()):
                self._take(decode(message))

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, ReadyFrame | VisitFrame):
            self._on_opened(frame)
            return
        channel = self._channels.get(frame.channel)
        # Frames that were in flight when their channel ended are dropped.
        if channel is not None:
            channel.take(frame)

    def _lose(self) -> None:
        self.is_lost = True
        for channel in list(self._channels.values()):
            channel.lose(_LOST)
        for _, written in self._outbox:
            _settle(written, False)
        self._outbox.clear()
        self._turns.clear()
        self._room.set()


def _settle(written: asyncio.Future[bool] | None, is_written: bool) -> None:
    if written is not None and not written.done():
        written.set_result(is_written)


_LOST: Final = "the link between relay and worker was lost"
