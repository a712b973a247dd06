"""What a worker's relay has of a visit that is at another: calls here become messages to there."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import WINDOW_BYTES, CutError, PipeSink, Source
from httpprocessproxy.companions.share.relay.rendezvous import Answering
from httpprocessproxy.companions.share.relay.shared.messages import Message, encode_answer
from httpprocessproxy.companions.share.relay.visit import VisitError

Post = Callable[[Message], None]
Claim = Coroutine[None, None, Answering | None]


class RemoteSink:
    """A sink whose pieces are received at another relay, which says how many it has received."""

    def __init__(self, pipe: str, post: Post, window_bytes: int = WINDOW_BYTES) -> None:
        self._pipe = pipe
        self._post = post
        self._room_bytes = window_bytes
        self._news = asyncio.Event()
        self._reason: str | None = None
        self._is_over = False

    async def send(self, piece: bytes) -> None:
        while self._room_bytes <= 0 and self._reason is None:
            self._news.clear()
            await self._news.wait()
        if self._reason is not None:
            raise CutError(self._reason)
        self._room_bytes -= len(piece)
        self._post(Message("piece", (self._pipe,), piece))

    def end(self) -> None:
        self._finish(Message("end", (self._pipe,)))

    def cut(self, reason: str) -> None:
        self._finish(Message("cut", (self._pipe,), reason.encode()))

    def credit(self, size_bytes: int) -> None:
        """The other end has received so much."""
        self._room_bytes += size_bytes
        self._news.set()

    def stop(self, reason: str) -> None:
        """The other end receives no more."""
        self._reason = reason
        self._news.set()

    def _finish(self, message: Message) -> None:
        if not self._is_over and self._reason is None:
            self._is_over = True
            self._post(message)


class RemoteAnswer:
    """An `Answering` of a visit at another relay."""

    def __init__(self, rid: str, body: PipeSink, post: Post) -> None:
        self.body = body
        self._rid = rid
        self._post = post

    def begin(self, head: AnswerHead) -> None:
        self._post(Message("head", (self._rid,), encode_answer(head)))

    def refuse(self, error: VisitError) -> None:
        self._post(refusal(self._rid, error))


@dataclass(frozen=True, slots=True)
class Told:
    """What Redis has of a visit, for the relay `me` whose worker takes it from relay `home`."""

    me: str
    home: str
    head: VisitHead
    is_tunnel: bool
    number: str  # how often it has been taken
    body: bytes | None  # None: it is too large for Redis


class RemoteDelivery:
    """A `Delivery` of a visit at another relay."""

    def __init__(
        self, told: Told, body: Source, post: Post, answering: Callable[[], Claim]
    ) -> None:
        """`post` sends to the visitor's relay, `answering` claims the right to answer."""
        self.head = told.head
        self.body = body
        self.is_tunnel = told.is_tunnel
        self.answering = answering
        self._me = told.me
        self._post = post
        self._is_over = asyncio.Event()

    def delivered(self) -> None:
        self._post(Message("touch", (self.head.rid, self._me)))

    def give_back(self) -> None:
        self._post(Message("returned", (self.head.rid,)))

    def refuse(self, error: VisitError) -> None:
        self._post(refusal(self.head.rid, error))

    async def over(self) -> None:
        await self._is_over.wait()

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._is_over.set()


def refusal(rid: str, error: VisitError) -> Message:
    return Message("refuse", (rid, error.outcome.value), error.reason.encode())
