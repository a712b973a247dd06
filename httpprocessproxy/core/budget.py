"""The memory for bodies that are kept: how much of it is taken, and who has it. No I/O."""

from collections.abc import Callable
from types import TracebackType
from typing import Self


class Budget:
    """How many bytes are kept, and how many may be."""

    def __init__(self, limit_bytes: int, full: Callable[[], Exception]) -> None:
        """`full` makes what is raised when there is no memory for more."""
        self.held_bytes = 0
        self._limit_bytes = limit_bytes
        self._full = full

    def share(self) -> "BudgetShare":
        """What one body keeps; all of it is given back at the end of the context."""
        return BudgetShare(self)

    def take(self, size_bytes: int) -> None:
        """Raises what `full` makes, and takes nothing then."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise self._full()
        self.held_bytes += size_bytes


class BudgetShare:
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
        """Take some more. Raises what the budget does."""
        self._budget.take(size_bytes)
        self._held_bytes += size_bytes
