"""A shared fence: each call of the watcher's fence serves all requests made before it began."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

# Requests wait at most so long for a watcher.
LIMIT_S: Final = 5.0

_log = logging.getLogger(__name__)


class SharedFence:
    """Calls `fence` repeatedly while requests wait. For the event loop's thread only."""

    def __init__(self, fence: Callable[[], Awaitable[None]]) -> None:
        self._fence = fence
        self._waiting: list[asyncio.Future[bool]] = []
        self._wanted = asyncio.Event()

    def passed(self) -> asyncio.Future[bool]:
        """A future that is done once a fence that begins after this call has ended.

        Its result is False if the watcher failed, or did not answer within LIMIT_S seconds.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        return future

    async def run(self) -> None:
        """Work until cancelled, then release all waiting callers."""
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
            # No descriptor, no space, no folder for a cookie: requests are served without a fence.
            _log.warning("the watcher cannot report saved files: %s; requests go on", error)
        else:
            return True
        return False


def pass_fence(future: asyncio.Future[None]) -> None:
    """Resolve the future of a watcher's fence, unless its caller has been cancelled."""
    if not future.done():
        future.set_result(None)


def _release(waiting: list[asyncio.Future[bool]], *, has_passed: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(has_passed)
