"""Gates for tests, with a freshness that the test sets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service.gate import Gate, GateLimits

STARTING = Problem(503, "Starting", "", is_live=True)


@dataclass(slots=True)
class FakeFreshness:
    """Without numbers of changes, unless the test sets `seen`; those up to `judged` are judged."""

    current: Callable[[], bool] = lambda: True
    fence: Callable[[], asyncio.Future[bool]] | None = None
    seen: int = 0
    judged: int = -1

    def is_current(self) -> bool:
        return self.current()

    def mark(self) -> int:
        return self.seen

    def is_past(self, mark: int) -> bool:
        return mark <= self.judged


@dataclass(frozen=True, slots=True)
class FakeProblems:
    """The same problem for each request."""

    late: Problem

    def overdue(self) -> Problem:
        return self.late

    def starting(self) -> Problem:
        return STARTING


def new_gate(
    late: Problem, limits: GateLimits, is_current: Callable[[], bool] = lambda: True
) -> Gate:
    """A gate that holds requests; `late` is the response after the time limit."""
    return Gate(limits, FakeProblems(late), FakeFreshness(is_current))
