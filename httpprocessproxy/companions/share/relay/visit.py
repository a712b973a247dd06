"""A visit: one request of a visitor, from its head to the end of its answer.

It has two ends. The visitor's is a `RelayVisit`: it waits for the answer, and knows the deadline.
The worker's is a `VisitDelivery`, which a worker's call got from the rendezvous, over whatever
transport, and an `Answering`, by which the answer comes back.

    QUEUED -> TAKEN -> ANSWERING -> OVER         what a visit goes through, forward only ...
    TAKEN -> QUEUED                              ... but for one return, if nothing was delivered
    any -> OVER                                  the visitor left, a deadline passed, the relay ends

The rule: a visit is given to one worker's call, and answered by one. It is handed out a second time
only if nothing of it reached a worker, and never after that: it may have taken effect.
"""

import asyncio
import enum
import time
from dataclasses import dataclass
from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import Held, Pipe, Source


class VisitState(enum.Enum):
    QUEUED = "it waits for a worker"
    TAKEN = "a worker has it, or is being sent it"
    ANSWERING = "somebody has the right to answer it"
    OVER = "nobody waits for it any more"


class VisitOutcome(enum.Enum):
    """How a visit ended, for the log and the metrics."""

    ANSWERED = "answered"
    CUT = "cut"
    LEFT = "left"
    NO_WORKER = "no_worker"
    QUEUE_FULL = "queue_full"
    NO_ANSWER = "no_answer"
    BAD_ANSWER = "bad_answer"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    CLOSING = "closing"


class VisitError(Exception):
    """A visit that gets no answer from a worker: what the visitor is told instead."""

    def __init__(self, outcome: VisitOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class VisitBody(Protocol):
    """What a visitor sends."""

    def source(self) -> Source:
        """Its pieces, from the start. To be asked for a second time only if `is_again`."""
        ...

    @property
    def is_again(self) -> bool:
        """Whether it can be had from its start once more."""
        ...


class HeldBody:
    """A body that was read before its visit entered."""

    is_again = True

    def __init__(self, data: bytes) -> None:
        self.data = data

    def source(self) -> Source:
        return Held(self.data)


class FlowingBody:
    """A body that is read while it is passed on: of any length, and only once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_begun = False

    @property
    def is_again(self) -> bool:
        return not self._is_begun

    def source(self) -> Source:
        return self

    async def receive(self) -> bytes:
        self._is_begun = True
        return await self._source.receive()


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """What a visitor wants: of which host, and whether it is to become a tunnel (Upgrade)."""

    host: str
    head: VisitHead
    body: VisitBody
    is_tunnel: bool = False


class RelayVisit:
    """The visitor's end. What a worker does arrives here as calls of `took` and the like."""

    def __init__(self, request: VisitRequest) -> None:
        self.request = request
        self.state = VisitState.QUEUED
        self.answer_head: AnswerHead | None = None
        self.answer = Pipe()
        self.error: VisitError | None = None
        self.entered_at = self.touched_at = time.monotonic()
        self._returns = 0
        self._news = asyncio.Event()  # for the one who waits for the answer
        self._is_over = asyncio.Event()

    @property
    def rid(self) -> str:
        return self.request.head.rid

    @property
    def may_return(self) -> bool:
        """Whether it may go back into the queue, from which it was taken."""
        return self.state is VisitState.TAKEN and not self._returns and self.request.body.is_again

    # What happens to it

    def took(self) -> None:
        """A worker's call has it."""
        if self.state is VisitState.QUEUED:
            self._enter(VisitState.TAKEN)

    def returned(self, *, is_counted: bool = True) -> None:
        """That call died before it got anything: `may_return` was true.

        Not counted: nobody has begun to give it anything.
        """
        self._returns += is_counted
        self._enter(VisitState.QUEUED)

    def touch(self) -> None:
        """Something moves: the deadline begins anew."""
        self.touched_at = time.monotonic()

    def claim(self) -> bool:
        """Take the right to answer it; False: it cannot be had, or not any more."""
        if self.state is not VisitState.TAKEN:
            return False
        self._enter(VisitState.ANSWERING)
        return True

    def answered(self, head: AnswerHead) -> None:
        """The answer begins; its body follows in `answer`."""
        if self.state is VisitState.ANSWERING:
            self.answer_head = head
            self._news.set()

    def fail(self, error: VisitError) -> None:
        """There will be no answer; or no end of it, if it has begun."""
        if self.state is not VisitState.OVER and self.answer_head is None:
            self.error = error
            self._enter(VisitState.OVER)
        self.answer.cut(error.reason)

    def close(self) -> None:
        """The visitor has its answer, or has gone. Whoever still sends to it is told so."""
        self._enter(VisitState.OVER)
        self.answer.cut("the visitor has left")

    # Waiting for it

    def wake(self) -> None:
        """Let whoever waits for it look again."""
        self._news.set()

    async def news(self, within_s: float) -> None:
        """Wait for anything to have happened since this was last awaited, or for this long."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def over(self) -> None:
        """Wait until nobody waits for it any more."""
        await self._is_over.wait()

    def _enter(self, state: VisitState) -> None:
        self.state = state
        self.touch()
        self._news.set()
        if state is VisitState.OVER:
            self._is_over.set()


class VisitSource:
    """A source: the body of a visit. That it moves keeps the visit alive."""

    def __init__(self, visit: RelayVisit) -> None:
        self._source = visit.request.body.source()
        self._visit = visit

    async def receive(self) -> bytes:
        self._visit.touch()
        return await self._source.receive()
