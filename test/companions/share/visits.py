"""Fakes at the two sides of a visit."""

import asyncio

from httpprocessproxy.companions.share.protocol import AnswerHead


class FakeVisitor:
    """A `Visitor` that records its answer; `over` is set at the end, `reason` by a cut."""

    def __init__(self) -> None:
        self.head: AnswerHead | None = None
        self.body = b""
        self.reason: str | None = None
        self.consumed_bytes = 0
        self.over = asyncio.Event()

    def begin_answer(self, head: AnswerHead) -> None:
        assert self.head is None
        self.head = head

    def write(self, piece: bytes) -> None:
        assert self.head is not None
        self.body += piece

    def end_answer(self) -> None:
        self.over.set()

    def cut(self, reason: str) -> None:
        self.reason = reason
        self.over.set()

    def consumed(self, size_bytes: int) -> None:
        self.consumed_bytes += size_bytes
