"""A visit: one request of a visitor, from its head to the end of its answer.

`RelayVisit` is the visitor's end: it waits for the answer, and knows the deadline. `rendezvous.py`
has the worker's end: a `VisitDelivery` brings the visit to a worker over any transport, an
`Answering` brings the answer back.

    QUEUED -> TAKEN -> ANSWERING -> OVER         the normal course
    TAKEN -> QUEUED                              once, if no byte reached the worker
    any -> OVER                                  the visitor left, a deadline passed, the relay ends

The rule: a visit is delivered to one call of a worker, and answered once. It is delivered a second
time only if the first worker received none of it: otherwise it may have taken effect.
"""

import asyncio
import enum
import time
from dataclasses import dataclass
from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import Held, Pipe, Source


class VisitState(enum.Enum):
    QUEUED = "waits for a worker"
    TAKEN = "is being sent to a worker, or was"
    ANSWERING = "a call has claimed the right to answer"
    OVER = "the visitor has the answer or has left"


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
    """A visit that gets no answer from a worker; `outcome` selects the error page."""

    def __init__(self, outcome: VisitOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class VisitBody(Protocol):
    """The body of a visitor's request."""

    def source(self) -> Source:
        """The body from its start. A second call is allowed only while `is_again`."""
        ...

    @property
    def is_again(self) -> bool:
        """Whether the body can be read from its start."""
        ...


class HeldBody:
    """A body that was read whole before its visit was queued."""

    is_again = True

    def __init__(self, data: bytes) -> None:
        self._data = data

    def source(self) -> Source:
        return Held(self._data)


class FlowingBody:
    """A body of any length that is read once, while it is forwarded."""

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
    """A visitor's request; `is_tunnel`: it asks for an Upgrade."""

    host: str
    head: VisitHead
    body: VisitBody
    is_tunnel: bool = False


class RelayVisit:
    """The visitor's end of a visit. The rendezvous reports each step of the worker to it."""

    def __init__(self, request: VisitRequest) -> None:
        self.request = request
        self.state = VisitState.QUEUED
        self.answer_head: AnswerHead | None = None
        self.answer = Pipe()
        self.error: VisitError | None = None
        self.entered_at = self.touched_at = time.monotonic()
        self._returns = 0
        self._news = asyncio.Event()  # wakes the task that waits for the answer
        self._is_over = asyncio.Event()

    @property
    def rid(self) -> str:
        return self.request.head.rid

    @property
    def may_return(self) -> bool:
        """Whether the visit may return to the queue."""
        return self.state is VisitState.TAKEN and not self._returns and self.request.body.is_again

    # Transitions

    def took(self) -> None:
        """A call of a worker has taken the visit."""
        if self.state is VisitState.QUEUED:
            self._enter(VisitState.TAKEN)

    def returned(self) -> None:
        """The call died before it received anything. Requires `may_return`."""
        self._returns += 1
        self._enter(VisitState.QUEUED)

    def touch(self) -> None:
        """Restart the deadline, because bytes moved."""
        self.touched_at = time.monotonic()

    def claim(self) -> bool:
        """Claim the right to answer; False before the visit is taken, and once it is claimed."""
        if self.state is not VisitState.TAKEN:
            return False
        self._enter(VisitState.ANSWERING)
        return True

    def answered(self, head: AnswerHead) -> None:
        """The head of the answer has arrived; its body follows in `answer`."""
        if self.state is VisitState.ANSWERING:
            self.answer_head = head
            self._news.set()

    def fail(self, error: VisitError) -> None:
        """End the visit with an error; an answer that has begun is cut."""
        if self.state is not VisitState.OVER and self.answer_head is None:
            self.error = error
            self._enter(VisitState.OVER)
        self.answer.cut(error.reason)

    def close(self) -> None:
        """End the visit, and cut what a worker still sends."""
        self._enter(VisitState.OVER)
        self.answer.cut("the visitor has left")

    # Waiting

    def wake(self) -> None:
        """Wake the task that waits in `news`."""
        self._news.set()

    async def news(self, within_s: float) -> None:
        """Wait for a change since the last call, at most `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def over(self) -> None:
        """Wait until the visit is OVER."""
        await self._is_over.wait()

    def _enter(self, state: VisitState) -> None:
        self.state = state
        self.touch()
        self._news.set()
        if state is VisitState.OVER:
            self._is_over.set()


class VisitSource:
    """The body of a visit as a source. Each read restarts the deadline of the visit."""

    def __init__(self, visit: RelayVisit) -> None:
        self._source = visit.request.body.source()
        self._visit = visit

    async def receive(self) -> bytes:
        self._visit.touch()
        return await self._source.receive()
