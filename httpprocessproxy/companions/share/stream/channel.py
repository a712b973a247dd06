"""One visit on a link, at the relay's end: two bodies, with flow control by credit.

The rule: an end sends no more than it has credit for, and grants credit only for bytes that the
reader of the body has received. So a slow visitor slows the server down, and fills no memory.
"""

import asyncio
from typing import Final, Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Pipe
from httpprocessproxy.companions.share.stream.frames import (
    MAX_DATA_BYTES,
    WINDOW_BYTES,
    AnswerFrame,
    CreditFrame,
    DataFrame,
    EndFrame,
    Frame,
    FrameError,
    ResetFrame,
)

# Credit is granted in portions of this size: a CREDIT for each DATA would double the frames.
CREDIT_BYTES: Final = WINDOW_BYTES // 4


class Carrier(Protocol):
    """The link, as a channel uses it."""

    def put(self, frame: Frame) -> None:
        """Queue a small frame without waiting."""
        ...

    async def send(self, frame: Frame) -> None:
        """Queue a frame of a body once there is room. Raises CutError if the link is lost."""
        ...

    def forget(self, channel: int) -> None:
        """Remove a channel that is over."""
        ...


class StreamChannel:
    """The sink of the outgoing body, and the source of the incoming body."""

    def __init__(self, number: int, carrier: Carrier) -> None:
        self.number = number
        self.answer: asyncio.Future[AnswerHead] = asyncio.get_running_loop().create_future()
        self._carrier = carrier
        self._credit_bytes = WINDOW_BYTES
        self._credit_changed = asyncio.Event()
        self._uncredited_bytes = 0  # received by the reader, but no credit sent yet
        self._unreceived_bytes = 0
        self._incoming = Pipe()
        self._incoming.on_received = self._send_credit
        self._incoming_ended = self._outgoing_ended = False
        self._reason: str | None = None  # the reason of a reset or of the loss of the link
        self._over = asyncio.Event()

    # For the relay

    async def send(self, piece: bytes) -> None:
        """Send a piece (`PipeSink`), in parts as credit arrives. Raises CutError."""
        at = 0
        while at < len(piece):
            size_bytes = min(await self._wait_for_credit(), len(piece) - at, MAX_DATA_BYTES)
            self._credit_bytes -= size_bytes
            await self._carrier.send(DataFrame(self.number, piece[at : at + size_bytes]))
            at += size_bytes

    def end(self) -> None:
        if not self._outgoing_ended and self._reason is None:
            self._outgoing_ended = True
            self._carrier.put(EndFrame(self.number))
            self._check_over()

    def cut(self, reason: str) -> None:
        """Reset the channel: end both bodies early, and send the reason to the other end."""
        if not self._over.is_set():
            self._carrier.put(ResetFrame(self.number, reason))
            self.lose(reason)

    async def receive(self) -> bytes:
        """Wait for the next piece (`Source`); b"" at the end. Raises CutError."""
        return await self._incoming.receive()

    async def over(self) -> str | None:
        """Wait until the channel is over. Return the reason if it was reset or lost, else None."""
        await self._over.wait()
        return self._reason

    # For the link

    def take(self, frame: Frame) -> None:
        """Handle a received frame of this channel. Raises FrameError if it is not allowed now."""
        match frame:
            case DataFrame(_, piece):
                self._take_piece(piece)
            case EndFrame():
                self._incoming_ended = True
                self._incoming.end()
                self._check_over()
            case CreditFrame(_, size_bytes):
                self._credit_bytes += size_bytes
                self._credit_changed.set()
            case ResetFrame(_, reason):
                self.lose(reason)
            case AnswerFrame(_, head) if not self.answer.done():
                self.answer.set_result(head)
            case _:
                raise FrameError("a second answer")

    def lose(self, reason: str) -> None:
        """End the channel without sending a frame; both bodies are cut with this reason."""
        if self._over.is_set():
            return
        self._reason = reason
        self._incoming.cut(reason)
        self._credit_changed.set()
        self._finish()

    def _take_piece(self, piece: bytes) -> None:
        self._unreceived_bytes += len(piece)
        if self._incoming_ended or self._unreceived_bytes > WINDOW_BYTES:
            raise FrameError("DATA after its END or without credit")
        self._incoming.put(piece)

    def _send_credit(self, size_bytes: int) -> None:
        self._uncredited_bytes += size_bytes
        if (
            self._uncredited_bytes >= CREDIT_BYTES
            and not self._incoming_ended
            and self._reason is None
        ):
            self._unreceived_bytes -= self._uncredited_bytes
            self._carrier.put(CreditFrame(self.number, self._uncredited_bytes))
            self._uncredited_bytes = 0

    async def _wait_for_credit(self) -> int:
        """Wait for credit, and return it in bytes. Raises CutError if the channel ends."""
        while self._reason is None and self._credit_bytes <= 0:
            self._credit_changed.clear()
            await self._credit_changed.wait()
        if self._reason is not None:
            raise CutError(self._reason)
        return self._credit_bytes

    def _check_over(self) -> None:
        if self._incoming_ended and self._outgoing_ended:
            self._finish()

    def _finish(self) -> None:
        self._over.set()
        self.answer.cancel()
        self._carrier.forget(self.number)
