"""A fence shared by all who ask: one in flight serves those who asked before it began."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

# A watcher that does not answer for so long must not hold requests any longer.
LIMIT_S: Final = 5.0

_log = logging.getLogger(__name__)


class SharedFence:
    """Passes `fence` again and again while there is a demand. Use it on the event loop only."""

    def __init__(self, fence: Callable[[], Awaitable[None]]) -> None:
        self._fence = fence
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()

    def passed(self) -> asyncio.Future[None]:
        """A future that is done once a fence that begins after this call has been passed."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        return future

    async def run(self) -> None:
        """Work until cancelled; whatever waits then waits no longer."""
        waiting: list[asyncio.Future[None]] = []
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                waiting, self._waiting = self._waiting, []
                await self._pass_one()
                _release(waiting)
        finally:
            _release(waiting + self._waiting)

    async def _pass_one(self) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._fence()
        except TimeoutError:
            _log.warning("the watcher has not answered for %g s: requests go on", LIMIT_S)


def _release(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
