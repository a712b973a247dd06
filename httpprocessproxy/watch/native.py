"""The system's own events where they are not inotify: FSEvents on macOS, by watchfiles.

Unlike the other watchers it takes a change of permissions for a change.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from httpprocessproxy.watch.task import Task

# Quiet time that ends a batch, and its longest: our own burst begins after it.
_STEP_MS: Final = 5
_LONGEST_MS: Final = 50


class Native:
    """A worker for a thread; see `threads.Worker`."""

    def __init__(self, task: Task, why: str) -> None:
        self.description = f"embedded: {why}"
        self._task = task
        self._root = os.path.realpath(task.root)
        self._stopping = threading.Event()

    def work(self, ready: Callable[[], None]) -> None:
        with RustNotify([self._root], False, False, 0, True, True) as notify:
            ready()
            while not self._stopping.is_set():
                found = notify.watch(_LONGEST_MS, _STEP_MS, 0, self._stopping)
                if not isinstance(found, str) and (paths := self._that_count(found)):
                    self._task.scope.renew(paths)
                    self._task.changed(paths)

    def stop(self) -> None:
        self._stopping.set()

    def _that_count(self, found: Iterable[tuple[int, str]]) -> frozenset[str]:
        files = (path for kind, path in found if kind == Change.deleted or not os.path.isdir(path))
        paths = (os.path.relpath(path, self._root) for path in files)
        return frozenset(filter(self._task.scope.matches, paths))
