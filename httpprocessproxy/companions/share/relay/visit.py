"""A visit: one request of a visitor, from its head to the end of its answer.

`RelayVisit` is the visitor's end: it waits for the answer, and holds the deadline. `rendezvous.py`
has the worker's end: a `VisitDelivery` carries the visit to a worker over any transport, and an
`Answering` carries the answer back.

    QUEUED -> TAKEN -> ANSWERING -> OVER         the normal course
    TAKEN -> QUEUED                              once, if no byte reached the worker
    any -> OVER                                  visitor left, deadline passed, or relay stops

The rule: a visit is delivered to one call of a worker, and answered once. It is delivered a second
time only if the first worker received none of it: otherwise it may have taken effect.
"""

import asyncio
import enum
import time
from dataclasses import dataclass
from typing import Protocol

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import BytesSource, Pipe, Source


class VisitState(enum.Enum):
    QUEUED = "waits for a worker"
    TAKEN = "is being sent to a worker, or was"
    ANSWERING = "a call has claimed the right to answer"
    OVER = "the visitor has the answer or has left"


class VisitOutcome(enum.Enum):
    """The end of a visit, for the log and the metrics."""

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
    """A visit will get no answer from a worker; `outcome` selects the error page."""

    def __init__(self, outcome: VisitOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class VisitBody(Protocol):
    """The body of a visitor's request."""

    def source(self) -> Source:
        """The body from its start. A second call is allowed only while `is_repeatable`."""
        ...

    @property
    def is_repeatable(self) -> bool:
        """Whether the body can be read from its start."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether the request is known to have no body."""
        ...


class BufferedBody:
    """A body that was read whole before its visit was queued."""

    is_repeatable = True

    def __init__(self, data: bytes) -> None:
        self.is_empty = not data
        self._data = data

    def source(self) -> Source:
        return BytesSource(self._data)


class StreamedBody:
    """A body of any length that is read once and forwarded piece by piece."""

    is_empty = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._has_begun = False

    @property
    def is_repeatable(self) -> bool:
        return not self._has_begun

    def source(self) -> Source:
        return self

    async def receive(self) -> bytes:
        self._has_begun = True
        return await self._source.receive()


@dataclass(frozen=True, slots=True)
class VisitRequest:
    """A visitor's request; `is_tunnel`: it requests an Upgrade to WebSocket."""

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
        self._requeues = 0
        self._changed = asyncio.Event()  # wakes the task that waits for the answer
        self._is_over = asyncio.Event()

    @property
    def rid(self) -> str:
        return self.request.head.rid

    @property
    def may_requeue(self) -> bool:
        """Whether the visit may return to the queue: once, if its body is still readable."""
        return (
            self.state is VisitState.TAKEN
            and not self._requeues
            and self.request.body.is_repeatable
        )

    # Transitions

    def mark_taken(self) -> None:
        """Enter TAKEN: a call of a worker has taken the visit."""
        if self.state is VisitState.QUEUED:
            self._enter(VisitState.TAKEN)

    def mark_requeued(self) -> None:
        """Enter QUEUED: the call ended before it received anything. Requires `may_requeue`."""
        self._requeues += 1
        self._enter(VisitState.QUEUED)

    def touch(self) -> None:
        """Restart the deadline, because bytes were transferred."""
        self.touched_at = time.monotonic()

    def claim(self) -> bool:
        """Claim the right to answer; False before the visit is taken, and once it is claimed."""
        if self.state is not VisitState.TAKEN:
            return False
        self._enter(VisitState.ANSWERING)
        return True

    def begin_answer(self, head: AnswerHead) -> None:
        """Store the head of the answer; its body follows in `answer`."""
        if self.state is VisitState.ANSWERING:
            self.answer_head = head
            self._changed.set()

    def fail(self, error: VisitError) -> None:
        """End the visit with an error; an answer that has begun is cut."""
        if self.state is not VisitState.OVER and self.answer_head is None:
            self.error = error
            self._enter(VisitState.OVER)
        self.answer.cut(error.reason)

    def close(self) -> None:
        """End the visit, and cut an answer that a worker still sends."""
        self._enter(VisitState.OVER)
        self.answer.cut("the visitor has left")

    # Waiting

    def wake(self) -> None:
        """Wake the task in `wait_for_change`."""
        self._changed.set()

    async def wait_for_change(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for a change since the previous call."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    async def over(self) -> None:
        """Wait until the visit is OVER."""
        await self._is_over.wait()

    def _enter(self, state: VisitState) -> None:
        self.state = state
        self.touch()
        self._changed.set()
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
