"""A deadline that is set and cancelled repeatedly, with one timer handle at most."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls `expire` after it has been set for `after_s` seconds without interruption."""

    __slots__ = ("_after_s", "_expire", "_loop", "handle")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, after_s: float, expire: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._after_s = after_s
        self._expire = expire
        self.handle: asyncio.TimerHandle | None = None

    def set(self, active: bool) -> None:
        """Start the timer unless it runs, or cancel it."""
        if active and self.handle is None:
            self.handle = self._loop.call_later(self._after_s, self._fire)
        elif not active and self.handle is not None:
            self.handle.cancel()
            self.handle = None

    def _fire(self) -> None:
        self.handle = None
        self._expire()
