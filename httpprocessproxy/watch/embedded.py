"""The embedded watcher: the system's file events, or polling on file systems without them."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch.filesystems import without_events
from httpprocessproxy.watch.polling import Polling
from httpprocessproxy.watch.task import Task, Watcher
from httpprocessproxy.watch.threads import threaded

# `inotify` and `native` are imported lazily: each belongs to one system, and costs memory.
if TYPE_CHECKING:
    from httpprocessproxy.watch.inotify import Tree

# The interval at which a missing root is looked for.
_ROOT_RETRY_S: Final = 0.2


@asynccontextmanager
async def open_embedded(task: Task, why: str) -> AsyncGenerator[Watcher]:
    """Watch by the system's events, or by polling on a file system that sends none."""
    opened: AbstractAsyncContextManager[Watcher]
    if kind := without_events(task.root):
        opened = open_polling(task, f"a file system of type {kind} sends no events")
    elif sys.platform == "linux":
        opened = _open_inotify(task, why)
    else:
        opened = _open_native(task, why)
    async with opened as watcher:
        yield watcher


@asynccontextmanager
async def open_polling(task: Task, why: str) -> AsyncGenerator[Polling]:
    """Watch by polling in a thread."""
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
    from httpprocessproxy.watch.inotify import LIMITS, EventsLostError, limit_reached

    inotify = _Inotify(task, why)
    try:
        inotify.begin()
    except EventsLostError:
        raise UserError(f"not a directory that can be watched: {task.root}") from None
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        task.say(limit_reached(error))
        async with open_polling(task, "inotify reached its limit") as polling:
            yield polling
        return
    with closing(inotify):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(inotify.run(), name="inotify")
            try:
                yield inotify
            finally:
                running.cancel()


class _Inotify:
    """Watches by inotify, and by polling once inotify reaches one of its limits.

    Events are read when the kernel's queue becomes readable, and before each request. Reading an
    event and judging it is one synchronous step, so no event is ever read but not yet judged.
    """

    def __init__(self, task: Task, why: str) -> None:
        self.description = f"embedded: {why}"
        self._settled = asyncio.Event()
        self._task = replace(task, settled=self._settle)
        self._on_settled = task.settled
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.Future[str] = self._loop.create_future()
        self._polling: Polling | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._tree: Tree | None = None

    def begin(self) -> None:
        """Watch. Raises EventsLostError without a root, and OSError with one of LIMITS."""
        from httpprocessproxy.watch.inotify import Tree

        self._follow(Tree(self._task))

    @property
    def is_immediate(self) -> bool:
        return self._polling is None

    def catch_up(self) -> bool:
        tree = self._tree
        if tree is None:
            return self._catch_up_without_tree()
        if not tree.has_unread():
            return not tree.undecided
        was_undecided = bool(tree.undecided)
        self._read(tree, tree.read_all)
        if was_undecided and self._is_decided():
            # Deferred: the gate calls this method in the middle of its own work.
            self._loop.call_soon(self._settle)
        return self._is_decided()

    def _catch_up_without_tree(self) -> bool:
        """Look for a root that exists again: its creation sends no event."""
        if self._retry is not None and self._task.root.is_dir():
            self._retry.cancel()
            self._begin_again(frozenset({ANYTHING}))
        return self._is_decided()

    def _is_decided(self) -> bool:
        """Whether all known changes have been reported.

        False while polling takes over from inotify: neither may have seen a change.
        """
        if self._limit.done():
            return self._polling is not None
        return self._tree is None or not self._tree.undecided

    async def fence(self) -> None:
        if self._polling is not None:
            await self._polling.fence()
            return
        while not self.catch_up():
            self._settled.clear()
            await self._settled.wait()

    async def run(self) -> None:
        """Wait until inotify reaches a limit, then poll until cancelled."""
        self._task.say(await self._limit)
        async with open_polling(self._task, "inotify reached its limit") as polling:
            self._polling = polling
            self.description = polling.description
            self._task.changed(frozenset({ANYTHING}))
            self._settle()
            await self._loop.create_future()

    def close(self) -> None:
        self._leave()
        if self._retry is not None:
            self._retry.cancel()

    def _follow(self, tree: "Tree") -> None:
        self._tree = tree
        self._loop.add_reader(tree.fd, self._readable)

    def _leave(self) -> None:
        if self._tree is not None:
            tree, self._tree = self._tree, None
            self._loop.remove_reader(tree.fd)
            tree.close()

    def _readable(self) -> None:
        # One batch per iteration of the loop: a storm of events must not delay requests. While more
        # events are queued, the loop calls this method again.
        if (tree := self._tree) is not None:
            self._read(tree, tree.read)
        if self._is_decided():
            self._settle()

    def _settle(self) -> None:
        self._settled.set()
        self._on_settled()

    def _read(self, tree: "Tree", read: Callable[[], frozenset[str]]) -> None:
        """Report changes; watch a new tree if events were lost or the scope has changed."""
        from httpprocessproxy.watch.inotify import EventsLostError

        try:
            paths = read()
        except EventsLostError:
            paths = frozenset({ANYTHING})
        except OSError as error:
            self._end(error)
            return
        if self._task.scope.renew(paths) or ANYTHING in paths:
            paths |= tree.undecided.keys()
            self._leave()
            self._begin_again(paths)
        elif paths:
            self._task.changed(paths)

    def _begin_again(self, paths: frozenset[str]) -> None:
        """Watch a new tree, then report: the restart sees changes made in between."""
        from httpprocessproxy.watch.inotify import EventsLostError, Tree

        self._retry = None
        try:
            tree = Tree(self._task)
        except EventsLostError:
            # The root is gone, and its parent may be, so no event will announce its return.
            self._retry = self._loop.call_later(_ROOT_RETRY_S, self._begin_again, paths)
        except OSError as error:
            self._end(error)
        else:
            self._follow(tree)
            self._task.changed(paths)

    def _end(self, error: OSError) -> None:
        """Stop inotify; polling takes over if the error is one of LIMITS."""
        from httpprocessproxy.watch.inotify import LIMITS, limit_reached

        self._leave()
        if error.errno in LIMITS:
            self._limit.set_result(limit_reached(error))
        else:
            self._limit.set_exception(error)
