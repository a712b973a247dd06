"""A fence shared by its callers: one in flight serves the callers from before it began."""

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
        self._waiting: list[asyncio.Future[bool]] = []
        self._wanted = asyncio.Event()

    def passed(self) -> asyncio.Future[bool]:
        """A future that is done once a fence that begins after this call has ended.

        Its result is False if the watcher did not answer, in time or at all.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        return future

    async def run(self) -> None:
        """Work until cancelled; no caller waits any longer then."""
        waiting: list[asyncio.Future[bool]] = []
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                waiting, self._waiting = self._waiting, []
                _release(waiting, has_passed=await self._pass_one())
        finally:
            _release(waiting + self._waiting, has_passed=True)

    async def _pass_one(self) -> bool:
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._fence()
        except TimeoutError:
            _log.warning("the watcher has not answered for %g s: requests go on", LIMIT_S)
        except OSError as error:
            # No descriptor, no space, no folder for a cookie: the program serves without.
            _log.warning("the watcher cannot tell what was saved: %s; requests go on", error)
        else:
            return True
        return False


def pass_fence(future: asyncio.Future[None]) -> None:
    """Let the caller of a watcher's fence go on, unless it waits no longer."""
    if not future.done():
        future.set_result(None)


def _release(waiting: list[asyncio.Future[bool]], *, has_passed: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(has_passed)
