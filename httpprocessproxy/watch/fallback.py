"""Watchman with a fallback: the embedded watcher replaces it once it fails."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.watch.embedded import open_embedded
from httpprocessproxy.watch.task import Task, Watcher
from httpprocessproxy.watch.threads import threaded

# The first interval at which Watchman's worker reconnects.
_RETRY_S: Final = 0.05


@asynccontextmanager
async def open_watchman(task: Task, why: str) -> AsyncGenerator[Watcher]:
    """Watch with Watchman, and with the embedded watcher once Watchman fails.

    Raises UserError if Watchman cannot start, and UnfitError if it cannot see all files in scope.
    """
    # The extra [watchman] needs a compiler, so it may be missing.
    from httpprocessproxy.watch.watchman import Watchman

    loop = asyncio.get_running_loop()
    lost: asyncio.Future[str] = loop.create_future()

    def lose(reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # an abandoned thread outlives the loop
            loop.call_soon_threadsafe(lost.set_result, reason)

    # A scope is not thread-safe, and a stuck thread may hold on to its copy.
    task_in_thread = replace(task.from_thread(), scope=task.scope.copy())
    watchman = Watchman(task_in_thread, why, lose)
    async with threaded(watchman, "watchman"), asyncio.TaskGroup() as group:
        fallback = Fallback(task, watchman)
        replacing = group.create_task(fallback.run(lost), name="fallback of Watchman")
        try:
            yield fallback
        finally:
            replacing.cancel()


class Fallback:
    """Forwards to the first watcher, and to the embedded one after the loss of the first."""

    def __init__(self, task: Task, first: Watcher) -> None:
        self._task = task
        self._current = first

    @property
    def description(self) -> str:
        return self._current.description

    @property
    def is_immediate(self) -> bool:
        return self._current.is_immediate

    def catch_up(self) -> bool:
        return self._current.catch_up()

    async def fence(self) -> None:
        """Pass a fence of the current watcher.

        Fences are lost with a broken connection, so they are sent again on the next connection or
        to the next watcher. Callers set their own timeout.
        """
        while True:
            try:
                await self._current.fence()
            except ConnectionError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def run(self, lost: "asyncio.Future[str]") -> None:
        """Replace the watcher once `lost` holds the reason, and watch until cancelled."""
        reason = await lost
        self._task.say(f"{reason}: the embedded watcher takes over")
        async with open_embedded(self._task, reason) as embedded:
            self._current = embedded
            # Changes since Watchman's last sign of life are lost.
            self._task.changed(frozenset({ANYTHING}))
            await asyncio.get_running_loop().create_future()
