"""Polling: repeated scans of all files, for file systems that send no events.

A file has changed if its modification time or its size differs, in either direction; shortly after
a change, if its content differs. Inode numbers are ignored: some of these file systems make up new
ones.
"""

import asyncio
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from httpprocessproxy.watch.fence import pass_fence
from httpprocessproxy.watch.recent import Recent, Stamp
from httpprocessproxy.watch.task import Task
from httpprocessproxy.watch.tree import walk

# Short enough for a user who waits, and at most a fifth of a processor for a large tree.
_PAUSE_S: Final = 0.2
_PAUSE_PER_WALK: Final = 4.0

Stamps = Mapping[str, Stamp]


class Polling:
    """A `threads.Worker` and a `Watcher`."""

    is_immediate = False

    def __init__(self, task: Task, reason: str) -> None:
        """Called on the event loop's thread, with a `task` for another thread."""
        self.description = f"polling: {reason}"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._wanted = threading.Event()  # set by a fence, or by `stop`
        self._fences: queue.SimpleQueue[asyncio.Future[None]] = queue.SimpleQueue()

    def catch_up(self) -> bool:
        return True

    async def fence(self) -> None:
        """Wait for a scan that begins after the call."""
        scanned: asyncio.Future[None] = self._loop.create_future()
        self._fences.put(scanned)
        self._wanted.set()
        await scanned

    def work(self, ready: Callable[[], None]) -> None:
        before, recent = self._scan({}), Recent(self._task.root)
        ready()
        took_s = 0.0
        while True:
            self._wanted.wait(max(_PAUSE_S, _PAUSE_PER_WALK * took_s))
            # Cleared before the scan: a fence during the scan needs another one.
            self._wanted.clear()
            fences = [self._fences.get() for _ in range(self._fences.qsize())]
            if self._stopping.is_set():
                return
            began_at = time.monotonic()
            after = self._scan(before)
            if self._stopping.is_set():
                return
            if paths := differences(before, after) | recent.differences(after, began_at):
                if self._task.scope.renew(paths):
                    # Scan again before the report: the restart sees changes made in between.
                    after = self._scan({})
                recent.add(paths, after)
                self._task.changed(paths)
            # `call_soon_threadsafe` keeps order: the report was queued before.
            for fence in fences:
                self._loop.call_soon_threadsafe(pass_fence, fence)
            before, took_s = after, time.monotonic() - began_at

    def stop(self) -> None:
        self._stopping.set()
        self._wanted.set()

    def _scan(self, before: Stamps) -> Stamps:
        """The stamps of all files in scope; those in `before` need no match."""
        seen: set[tuple[int, int]] = set()
        matches = self._task.scope.matches
        stamps = {}
        for prefix, files in walk(
            self._task.root, self._task.scope, "", partial(self._enter, seen)
        ):
            for entry in files:
                path = prefix + entry.name
                if (path in before or matches(path)) and (found := stamp(entry)):
                    stamps[path] = found
        return stamps

    def _enter(self, seen: set[tuple[int, int]], folder: str) -> bool:
        """Whether the walk reads a folder: it is new to the walk, and polling has not stopped."""
        try:
            found = os.stat(self._task.root / folder)
        except OSError:
            return False
        identity = found.st_dev, found.st_ino
        if identity in seen or self._stopping.is_set():
            return False
        seen.add(identity)
        return True


def stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """The stamp of a file, which changes with its content; None if the file is gone already."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return found.st_mtime_ns, _target(entry)
    return found.st_mtime_ns, found.st_size


def _target(entry: os.DirEntry[str]) -> int:
    """The stamp of a link's target as one number; 0 if the target is missing."""
    try:
        found = entry.stat()
    except OSError:
        return 0
    return hash((found.st_mtime_ns, found.st_size))


def differences(before: Stamps, after: Stamps) -> frozenset[str]:
    """The paths of files that are new, gone or changed."""
    if before == after:
        return frozenset()
    both = before.keys() | after.keys()
    return frozenset(path for path in both if before.get(path) != after.get(path))
