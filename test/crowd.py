"""Requests at a gate that record their outcomes."""

from collections.abc import Callable

from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.waiter import Target
from test.deadline import PATIENCE_S
from test.fakes import OVERDUE
from test.gates import FakeFreshness, FakeProblems


class FakeWaiter:
    """A request that appends itself to a shared log when it is admitted or refused."""

    def __init__(self, log: list["FakeWaiter"], number: int = 0) -> None:
        self.number = number
        self.is_safe = True
        self.is_navigation = False
        self.wants_fence = False
        self.outcomes: list[Target | Problem] = []
        self._log = log

    def __repr__(self) -> str:
        return f"<{self.number}: {self.outcomes}>"

    def admitted(self, target: Target) -> None:
        self._done(target)

    def refused(self, problem: Problem) -> None:
        self._done(problem)

    def _done(self, outcome: Target | Problem) -> None:
        self.outcomes.append(outcome)
        self._log.append(self)


class Crowd:
    """Many waiters at one gate; `log` has them in the order of their outcomes."""

    def __init__(
        self,
        queue_timeout_s: float = PATIENCE_S,
        is_current: Callable[[], bool] = lambda: True,
        suspicion_s: float = 1.0,
    ) -> None:
        self.freshness = FakeFreshness(is_current)
        limits = GateLimits(queue_timeout_s, suspicion_s=suspicion_s)
        self.gate = Gate(limits, FakeProblems(OVERDUE), self.freshness)
        self.log: list[FakeWaiter] = []
        self._count = 0

    def waiter(self) -> FakeWaiter:
        self._count += 1
        return FakeWaiter(self.log, self._count)

    def ask(self, count: int = 1) -> list[FakeWaiter]:
        waiters = [self.waiter() for _ in range(count)]
        for waiter in waiters:
            self.gate.enter_unfenced(waiter)
        return waiters

    @property
    def gone(self) -> list[int]:
        return [waiter.number for waiter in self.log]
