"""The memory for bodies that are kept: how much of it is taken, and who has it."""

from types import TracebackType
from typing import Self

from httpprocessproxy.share.relay.visit import Outcome, VisitError


class Budget:
    """How many bytes are kept, and how many may be."""

    def __init__(self, limit_bytes: int) -> None:
        self.held_bytes = 0
        self._limit_bytes = limit_bytes

    def share(self) -> "Share":
        """What one visit or answer keeps; all of it is given back at the end of the context."""
        return Share(self)

    def take(self, size_bytes: int) -> None:
        """Raises VisitError if there is no memory for so much."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise VisitError(Outcome.QUEUE_FULL, "no memory for more bodies")
        self.held_bytes += size_bytes


class Share:
    """A part of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give all of it back."""
        self._budget.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def keep(self, size_bytes: int) -> None:
        """Take some more. Raises VisitError."""
        self._budget.take(size_bytes)
        self._held_bytes += size_bytes
