"""One visit on a link: a body each way, neither sent faster than it is taken.

The rule: a side sends what it has credit for and no more, and gives credit for what was received
by whoever is behind it; so a slow visitor holds up the server, and never fills our memory.
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

# Credit is given for so much at once: a frame for each piece would double their number.
_CREDIT_BYTES: Final = WINDOW_BYTES // 4


class Carrier(Protocol):
    """What carries a channel's frames."""

    def put(self, frame: Frame) -> None:
        """Send a small frame behind all that was given before."""
        ...

    async def send(self, frame: Frame) -> None:
        """The same for a large one, once there is room. Raises CutError if the link is lost."""
        ...

    def forget(self, channel: int) -> None:
        """The channel is over."""
        ...


class StreamChannel:
    """A sink for the body that goes out, and a source of the one that comes in."""

    def __init__(self, number: int, carrier: Carrier) -> None:
        self.number = number
        self.answer: asyncio.Future[AnswerHead] = asyncio.get_running_loop().create_future()
        self._carrier = carrier
        self._credit_bytes = WINDOW_BYTES
        self._credited = asyncio.Event()
        self._taken_bytes = 0  # what was received, and has not been given credit for
        self._unreceived_bytes = 0
        self._incoming = Pipe()
        self._incoming.on_received = self._give_credit
        self._in_ended = self._out_ended = False
        self._reason: str | None = None  # why the channel was reset
        self._over = asyncio.Event()

    # What is behind it

    async def send(self, piece: bytes) -> None:
        """A `Sink`: pass on a piece as there is credit for it."""
        at = 0
        while at < len(piece):
            size_bytes = min(await self._credit(), len(piece) - at, MAX_DATA_BYTES)
            self._credit_bytes -= size_bytes
            await self._carrier.send(DataFrame(self.number, piece[at : at + size_bytes]))
            at += size_bytes

    def end(self) -> None:
        if not self._out_ended and self._reason is None:
            self._out_ended = True
            self._carrier.put(EndFrame(self.number))
            self._check_over()

    def cut(self, reason: str) -> None:
        """End both bodies before their time, and tell the other end why."""
        if not self._over.is_set():
            self._carrier.put(ResetFrame(self.number, reason))
            self.lose(reason)

    async def receive(self) -> bytes:
        """A `Source`: the next piece, b"" at the end. Raises CutError."""
        return await self._incoming.receive()

    def give_answer(self, head: AnswerHead) -> None:
        """Send the answer's head, before anything of its body."""
        if self._reason is None:
            self._carrier.put(AnswerFrame(self.number, head))

    async def over(self) -> str | None:
        """Wait until both bodies have ended; return why, if that was before their time."""
        await self._over.wait()
        return self._reason

    # What is in front of it

    def take(self, frame: Frame) -> None:
        """A frame has come for this channel. Raises FrameError if it may not come now."""
        match frame:
            case DataFrame(_, piece):
                self._take_piece(piece)
            case EndFrame():
                self._in_ended = True
                self._incoming.end()
                self._check_over()
            case CreditFrame(_, size_bytes):
                self._credit_bytes += size_bytes
                self._credited.set()
            case ResetFrame(_, reason):
                self.lose(reason)
            case AnswerFrame(_, head) if not self.answer.done():
                self.answer.set_result(head)
            case _:
                raise FrameError("an answer to what is answered")

    def lose(self, reason: str) -> None:
        """Nothing goes on here any more, for this reason."""
        if self._over.is_set():
            return
        self._reason = reason
        self._incoming.cut(reason)
        self._credited.set()
        self._finish()

    # Within

    def _take_piece(self, piece: bytes) -> None:
        self._unreceived_bytes += len(piece)
        if self._in_ended or self._unreceived_bytes > WINDOW_BYTES:
            raise FrameError("DATA that there was no credit for")
        self._incoming.put(piece)

    def _give_credit(self, size_bytes: int) -> None:
        self._taken_bytes += size_bytes
        if self._taken_bytes >= _CREDIT_BYTES and not self._in_ended and self._reason is None:
            self._unreceived_bytes -= self._taken_bytes
            self._carrier.put(CreditFrame(self.number, self._taken_bytes))
            self._taken_bytes = 0

    async def _credit(self) -> int:
        """Wait until there is some. Raises CutError if there will be none."""
        while self._reason is None and self._credit_bytes <= 0:
            self._credited.clear()
            await self._credited.wait()
        if self._reason is not None:
            raise CutError(self._reason)
        return self._credit_bytes

    def _check_over(self) -> None:
        if self._in_ended and self._out_ended:
            self._finish()

    def _finish(self) -> None:
        self._over.set()
        self.answer.cancel()
        self._carrier.forget(self.number)
