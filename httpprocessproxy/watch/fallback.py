"""Watchman for as long as it serves, and then the embedded watcher."""

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

# Watchman is asked for a new connection as often as that, at first.
_RETRY_S: Final = 0.05


@asynccontextmanager
async def open_watchman(task: Task, why: str) -> AsyncGenerator[Watcher]:
    """Watch with Watchman, and go on without it when it does not serve any more.

    Raises UserError if Watchman cannot begin, and UnfitError if it does not see all that counts.
    """
    # An extra that needs a compiler: it may not be installed.
    from httpprocessproxy.watch.watchman import Watchman

    loop = asyncio.get_running_loop()
    lost: asyncio.Future[str] = loop.create_future()

    def lose(reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # an abandoned thread outlives the loop
            loop.call_soon_threadsafe(lost.set_result, reason)

    # The scope is for one thread, and a thread that is stuck may keep its own.
    threads_task = replace(task.from_thread(), scope=task.scope.copy())
    watchman = Watchman(threads_task, why, lose)
    async with threaded(watchman, "watchman"), asyncio.TaskGroup() as group:
        fallback = Fallback(task, watchman)
        replacing = group.create_task(fallback.run(lost), name="fallback of Watchman")
        try:
            yield fallback
        finally:
            replacing.cancel()


class Fallback:
    """Passes on to one watcher, and to the embedded one from the loss of the first on."""

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
        """Pass the fence of the watcher that serves in the end.

        A connection that breaks takes its fences along: the next one, or the next watcher, has to
        be asked again. Whoever waits has a limit.
        """
        while True:
            try:
                await self._current.fence()
            except ConnectionError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def run(self, lost: "asyncio.Future[str]") -> None:
        """Replace the watcher once `lost` says why, and watch until cancelled."""
        reason = await lost
        self._task.say(f"{reason}: the embedded watcher takes over")
        async with open_embedded(self._task, reason) as embedded:
            self._current = embedded
            # Changes between the last sign of life and now are lost.
            self._task.changed(frozenset({ANYTHING}))
            await asyncio.get_running_loop().create_future()
