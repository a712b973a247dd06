"""A limit for the memory of buffered bodies, divided into shares. No I/O."""

from collections.abc import Callable
from typing import Self


class Budget:
    """Counts the buffered bytes of all shares, up to a limit."""

    def __init__(self, limit_bytes: int, full: Callable[[], Exception]) -> None:
        """`full` makes the exception that is raised when the limit is exceeded."""
        self.held_bytes = 0
        self._limit_bytes = limit_bytes
        self._full = full

    def share(self) -> "BudgetShare":
        """Return the share of one body, which is released at the end of its context."""
        return BudgetShare(self)

    def take(self, size_bytes: int) -> None:
        """Count more bytes. Raises the exception that `full` makes, and then counts none."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise self._full()
        self.held_bytes += size_bytes


class BudgetShare:
    """The bytes of the budget that one body holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Return all bytes to the budget."""
        self._budget.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def keep(self, size_bytes: int) -> None:
        """Take more bytes from the budget. Raises the exception that `full` makes."""
        self._budget.take(size_bytes)
        self._held_bytes += size_bytes
