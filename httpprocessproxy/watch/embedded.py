"""The embedded watcher: the system's events where there are any, polling elsewhere."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.patterns import ANYTHING
from httpprocessproxy.watch.filesystems import without_events
from httpprocessproxy.watch.polling import Polling
from httpprocessproxy.watch.task import Task, Watcher
from httpprocessproxy.watch.threads import threaded

if TYPE_CHECKING:
    from httpprocessproxy.watch.inotify import Tree

# Imported where they are used: each belongs to one system, and costs memory.
_ROOT_RETRY_S: Final = 0.2


@asynccontextmanager
async def open_embedded(task: Task, why: str) -> AsyncGenerator[Watcher]:
    """Watch by the system's events, or by polling on a file system that sends none."""
    if kind := without_events(task.root):
        opened = open_polling(task, f"a file system of type {kind} sends no events")
    elif sys.platform == "linux":
        opened = _open_inotify(task, why)
    else:
        opened = _open_native(task, why)
    async with opened as watcher:
        yield watcher


@asynccontextmanager
async def open_polling(task: Task, why: str) -> AsyncGenerator[Watcher]:
    """Watch by looking at every file again and again."""
    polling = Polling(task.from_thread(), why)
    async with threaded(polling, "polling"):
        yield polling


@asynccontextmanager
async def _open_native(task: Task, why: str) -> AsyncGenerator[Watcher]:
    from httpprocessproxy.watch.native import Native

    native = Native(task.from_thread(), why)
    async with threaded(native, "watchfiles"):
        yield native


@asynccontextmanager
async def _open_inotify(task: Task, why: str) -> AsyncGenerator[Watcher]:
    from httpprocessproxy.watch.inotify import LIMITS, LostError, Tree, limit_reached

    try:
        tree = Tree(task)
    except LostError:
        raise UserError(f"not a directory that can be watched: {task.root}") from None
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        task.say(limit_reached(error))
        async with open_polling(task, "inotify reached its limit") as polling:
            yield polling
        return
    inotify = _Inotify(task, why)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(inotify.run(tree), name="inotify")
        try:
            yield inotify
        finally:
            running.cancel()


class _Inotify:
    """Watches by inotify, and by polling once that reaches its limit."""

    def __init__(self, task: Task, why: str) -> None:
        self.description = f"embedded: {why}"
        self._task = task

    async def run(self, tree: "Tree") -> None:
        from httpprocessproxy.watch.inotify import LIMITS, limit_reached

        try:
            await self._follow(tree)
        except OSError as error:
            if error.errno not in LIMITS:
                raise
            self._task.say(limit_reached(error))
        async with open_polling(self._task, "inotify reached its limit") as polling:
            self.description = polling.description
            self._task.changed(frozenset({ANYTHING}))
            await asyncio.get_running_loop().create_future()

    async def _follow(self, tree: "Tree") -> None:
        """Report what changes, and begin anew when the tree is lost, or not the one to watch."""
        while True:
            with closing(tree):
                paths = await self._report(tree)
            tree = await self._again()
            # Not before: the restart that follows has to see what changed meanwhile.
            self._task.changed(paths)

    async def _report(self, tree: "Tree") -> frozenset[str]:
        """Report what changes, and return what to report once another tree is watched."""
        from httpprocessproxy.watch.inotify import LostError

        while True:
            try:
                paths = await tree.changes()
            except LostError:
                paths = frozenset({ANYTHING})
            if self._task.scope.renew(paths) or ANYTHING in paths:
                return paths
            if paths:
                self._task.changed(paths)
            # Another turn of the loop: a storm must not keep requests waiting.
            await asyncio.sleep(0)

    async def _again(self) -> "Tree":
        from httpprocessproxy.watch.inotify import LostError, Tree

        while True:
            try:
                return Tree(self._task)
            except LostError:
                # The root is gone, and its parent may be: nothing is left to send an event.
                await asyncio.sleep(_ROOT_RETRY_S)
