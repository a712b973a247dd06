"""File events of systems without inotify, through watchfiles: FSEvents on macOS.

Unlike the other watchers, this one reports a change of permissions as a change.
"""

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from httpprocessproxy.system.private_folders import private_folder
from httpprocessproxy.watch.fence import pass_fence
from httpprocessproxy.watch.task import Task

# The quiet time that ends a batch, and its maximum length: `Burst` joins batches afterwards.
_STEP_MS: Final = 5
_LONGEST_MS: Final = 50


class Native:
    """A `threads.Worker` and a `Watcher`.

    A fence creates a file in a private folder of the same event stream: the events of earlier
    writes arrive before the event of that file.
    """

    is_immediate = False

    def __init__(self, task: Task, why: str) -> None:
        """Called on the event loop's thread, with a `task` for another thread."""
        self.description = f"embedded: {why}"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._cookies = ""
        self._fences: dict[str, asyncio.Future[None]] = {}
        self._number = itertools.count()
        self._root = os.path.realpath(task.root)
        self._stopping = threading.Event()

    def work(self, ready: Callable[[], None]) -> None:
        with (
            private_folder() as folder,
            RustNotify([self._root, str(folder)], False, False, 0, True, True) as notify,
        ):
            self._cookies = os.path.realpath(folder)
            ready()
            while not self._stopping.is_set():
                found = notify.watch(_LONGEST_MS, _STEP_MS, 0, self._stopping)
                if not isinstance(found, str) and (paths := self._paths_in_scope(found)):
                    self._task.scope.renew(paths)
                    self._task.changed(paths)
                if not isinstance(found, str):
                    self._pass_fences(path for _, path in found)

    def catch_up(self) -> bool:
        return True

    async def fence(self) -> None:
        cookie = os.path.join(self._cookies, str(next(self._number)))
        self._fences[cookie] = passed = self._loop.create_future()
        try:
            os.close(os.open(cookie, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            await passed
        finally:
            del self._fences[cookie]
            with contextlib.suppress(OSError):
                os.unlink(cookie)

    def _pass_fences(self, paths: Iterable[str]) -> None:
        # `call_soon_threadsafe` keeps order: the report was queued before.
        for path in paths:
            if (fence := self._fences.get(path)) is not None:
                self._loop.call_soon_threadsafe(pass_fence, fence)

    def stop(self) -> None:
        self._stopping.set()

    def _paths_in_scope(self, found: Iterable[tuple[int, str]]) -> frozenset[str]:
        files = (path for kind, path in found if kind == Change.deleted or not os.path.isdir(path))
        paths = (os.path.relpath(path, self._root) for path in files if not self._is_cookie(path))
        return frozenset(filter(self._task.scope.matches, paths))

    def _is_cookie(self, path: str) -> bool:
        return os.path.dirname(path) == self._cookies
