"""A deadline that is wanted now and then: one timer at most, kept while it is wanted."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls `expire` once it has been wanted for `after_s` seconds without a break."""

    __slots__ = ("_after_s", "_expire", "_handle", "_loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, after_s: float, expire: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._after_s = after_s
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None

    def want(self, wanted: bool) -> None:
        if wanted and self._handle is None:
            self._handle = self._loop.call_later(self._after_s, self._fire)
        elif not wanted and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._expire()
