"""Linux's file events (inotify(7)): a watch on every directory that may hold a file in scope.

A new directory is watched first and read afterwards, and every file found in it is reported: a
write in between is reported twice rather than never. A rename of a directory reports the files
at the new path; at the old path only one file per directory is known, and is reported as gone.

Most editors truncate a file and then write it, and may be interrupted in between. An empty file
that is still open is therefore not reported yet: a server that read it would fail to start.
"""

import asyncio
import contextlib
import errno
import os
import stat
import time
from pathlib import Path
from typing import Final

from httpprocessproxy.watch import inotify_calls as calls
from httpprocessproxy.watch.folders import Folders
from httpprocessproxy.watch.inotify_calls import Inotify, InotifyEvent
from httpprocessproxy.watch.targets import Targets
from httpprocessproxy.watch.task import Task
from httpprocessproxy.watch.tree import leads_above, walk

_ARRIVED: Final = calls.CREATE | calls.MOVED_TO
_LEFT: Final = calls.DELETE | calls.MOVED_FROM
_CONTENT: Final = _ARRIVED | _LEFT | calls.MODIFY
_BEGUN: Final = calls.CREATE | calls.MODIFY
# Possible writes: `touch` sends ATTRIB only, a linker that writes through mmap CLOSE_WRITE only.
# But chmod sends ATTRIB too, and closing a file that was opened for writing sends CLOSE_WRITE.
_PERHAPS: Final = calls.ATTRIB | calls.CLOSE_WRITE
_ROOT_LEFT: Final = calls.DELETE_SELF | calls.MOVE_SELF | calls.UNMOUNT | calls.IGNORED
_WATCHED: Final = _CONTENT | _PERHAPS | calls.ONLYDIR | calls.EXCL_UNLINK
_WATCHED_ROOT: Final = _WATCHED | calls.DELETE_SELF | calls.MOVE_SELF

# The kernel's clock for file times ticks every 10 ms at worst.
_TICK_NS: Final = 10_000_000
# After so long an empty file that is still open is reported.
_EMPTY_S: Final = 0.1
# Read and reported at once, about 1000 events: a storm of events must not delay requests.
_BATCH_BYTES: Final = 32 * 1024

# Out of watches; out of instances, descriptors or memory.
LIMITS: Final = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class EventsLostError(Exception):
    """The kernel dropped events, or the root is gone: a new tree must be watched."""


class Tree:
    """The watches below one root; `close` ends them.

    Raises EventsLostError without a root, and OSError with one of LIMITS when watches run out.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._began_ns = time.time_ns() - _TICK_NS
        self._folders = Folders()
        self._links: set[str] = set()
        self._mtimes_ns: dict[str, int] = {}
        self._begun: set[str] = set()  # files that have been written to, and not closed
        # The empty ones among them, which are not reported yet, with their timers.
        self.undecided: dict[str, asyncio.TimerHandle] = {}
        self._inotify = Inotify()
        self.fd = self._inotify.fd
        self._targets = Targets(task.root, self._inotify)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._begin()
            undo.pop_all()

    def close(self) -> None:
        self._inotify.close()
        for path in list(self.undecided):
            self._cancel_timer(path)

    def has_unread(self) -> bool:
        """Whether there may be an event that `read` has not returned.

        An event is in the kernel's queue before the system call of the writer returns.
        """
        return self._inotify.unread_bytes() > 0

    def read_all(self) -> frozenset[str]:
        """`read` the events queued at the call, not later ones: a storm may have no end."""
        return self.read(self._inotify.unread_bytes())

    def read(self, most_bytes: int = _BATCH_BYTES) -> frozenset[str]:
        """Read up to `most_bytes` bytes of events, without waiting; return the changed files.

        Raises EventsLostError, and OSError as the constructor does.
        """
        changed: set[str] = set()
        perhaps: set[str] = set()
        for event in self._inotify.read(most_bytes):
            self._handle(event, changed, perhaps)
        written = {path for path in perhaps - changed if self._was_written(path)}
        return frozenset(path for path in changed if not self._defer_empty(path)) | written

    def _handle(self, event: InotifyEvent, changed: set[str], perhaps: set[str]) -> None:
        watch, mask, name = event
        if mask & calls.Q_OVERFLOW:
            raise EventsLostError
        if mask & _CONTENT:
            changed |= self._targets.changed(watch, name)
        folder = self._folders.path(watch)
        if folder is None:
            return
        if not name:
            self._handle_own(folder, watch, mask)
            return
        path = f"{folder}/{name}" if folder else name
        if mask & calls.ISDIR:
            changed |= self._handle_folder(path, mask)
            return
        if mask & _CONTENT:
            changed |= self._handle_link(path, mask)
        if self._task.scope.matches(path):
            (changed if mask & _CONTENT or path in self.undecided else perhaps).add(path)
            if mask & _BEGUN:
                self._begun.add(path)
            elif not mask & calls.ATTRIB:
                self._begun.discard(path)
            if mask & _ARRIVED:
                self._folders.holds(folder, path)

    def _handle_own(self, folder: str, watch: int, mask: int) -> None:
        """Handle an event of the watched directory itself: its watch may have ended."""
        if not folder and mask & _ROOT_LEFT:
            raise EventsLostError
        if mask & calls.IGNORED:
            self._folders.end(watch)

    def _handle_folder(self, path: str, mask: int) -> set[str]:
        # A directory that was deleted was empty, and its watch ends by itself.
        if mask & calls.MOVED_FROM:
            return self._drop(path)
        if mask & _ARRIVED and self._task.scope.may_contain(path):
            return self._add(path)
        return set()

    def _handle_link(self, path: str, mask: int) -> set[str]:
        """The files that appear or vanish with a link to a directory; none for other files."""
        if mask & _LEFT and path in self._links:
            return self._drop(path)
        root, scope = self._task.root, self._task.scope
        if not mask & _ARRIVED:
            return set()
        if not os.path.isdir(root / path):
            if os.path.islink(root / path) and scope.matches(path):
                self._targets.add(path)
            return set()
        if leads_above(root, path) or not scope.may_contain(path):
            return set()
        return self._add(path)

    def _begin(self) -> None:
        """Watch the whole root; remember one file of each directory, as matching all is slow."""
        for prefix, files in walk(self._task.root, self._task.scope, "", self._enter):
            self._watch_targets(prefix, files)
            paths = (prefix + entry.name for entry in files)
            if found := next(filter(self._task.scope.matches, paths), None):
                self._folders.holds(prefix.rstrip("/"), found)

    def _add(self, top: str) -> set[str]:
        """Watch a new directory and all below it; return the files in scope found there."""
        found: set[str] = set()
        for prefix, files in walk(self._task.root, self._task.scope, top, self._enter):
            self._watch_targets(prefix, files)
            paths = (prefix + entry.name for entry in files)
            found.update(filter(self._task.scope.matches, paths))
        for path in found:
            self._folders.holds(path.rpartition("/")[0], path)
        return found

    def _watch_targets(self, prefix: str, files: list[os.DirEntry[str]]) -> None:
        for link in (prefix + entry.name for entry in files if entry.is_symlink()):
            if self._task.scope.matches(link):
                self._targets.add(link)

    def _enter(self, folder: str) -> bool:
        path = self._task.root / folder
        try:
            watch = self._inotify.add_watch(str(path), _WATCHED if folder else _WATCHED_ROOT)
        except OSError as error:
            if error.errno in LIMITS:
                raise
            if not folder:
                raise EventsLostError from error
            return False
        if os.path.islink(path) and folder:
            if watch in self._folders:
                return False
            self._links.add(folder)
        self._folders.add(folder, watch)
        return True

    def _drop(self, top: str) -> set[str]:
        """Remove a renamed directory; return the remembered file of each directory in it."""
        watched, files = self._folders.drop(top)
        for folder, watch in watched.items():
            self._links.discard(folder)
            # The kernel may have removed the watch already.
            with contextlib.suppress(OSError):
                self._inotify.remove_watch(watch)
        return files

    def _defer_empty(self, path: str) -> bool:
        """Start a timer and return True if the file is empty and still open."""
        about = self._remember(path)
        is_empty = about is not None and stat.S_ISREG(about.st_mode) and not about.st_size
        if not is_empty or path not in self._begun:
            self._cancel_timer(path)
            return False
        # Requests wait, so a second truncation does not extend the timer.
        if path not in self.undecided:
            loop = asyncio.get_running_loop()
            self.undecided[path] = loop.call_later(_EMPTY_S, self._report_empty, path)
        return True

    def _cancel_timer(self, path: str) -> None:
        if (timer := self.undecided.pop(path, None)) is not None:
            timer.cancel()

    def _report_empty(self, path: str) -> None:
        del self.undecided[path]
        paths = frozenset((path,))
        self._task.scope.renew(paths)
        self._task.changed(paths)
        if not self.undecided:
            self._task.settled()

    def _was_written(self, path: str) -> bool:
        before = self._mtimes_ns.get(path)
        about = self._remember(path)
        if about is None:
            return False
        now = about.st_mtime_ns
        return now > self._began_ns if before is None else now != before

    def _remember(self, path: str) -> os.stat_result | None:
        try:
            about = os.lstat(self._task.root / path)
        except OSError:
            self._mtimes_ns.pop(path, None)
            return None
        self._mtimes_ns[path] = about.st_mtime_ns
        return about


def limit_reached(error: OSError) -> str:
    """The message for an error of LIMITS: the limit, and the command that raises it."""
    name, enough = {
        errno.ENOSPC: ("max_user_watches", 524_288),
        errno.EMFILE: ("max_user_instances", 512),
    }.get(error.errno or 0, ("", 0))
    if not name:
        return f"inotify: {error.strerror}"
    limit = int(Path("/proc/sys/fs/inotify", name).read_text())
    advice = f"sudo sysctl fs.inotify.{name}={max(enough, 2 * limit)}"
    return f"inotify: fs.inotify.{name} is {limit}, and that is not enough: {advice}"
