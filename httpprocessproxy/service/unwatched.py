"""The freshness of a gate whose server no file restarts."""

import asyncio
from collections.abc import Callable


class NoChanges:
    """A `Freshness` that is always current."""

    fence: Callable[[], asyncio.Future[bool]] | None = None

    def is_current(self) -> bool:
        return True

    def mark(self) -> int:
        return 0

    def is_past(self, mark: int) -> bool:
        return True
