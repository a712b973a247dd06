"""Tells a save from chmod, by what Watchman says of a file that something happened to.

Files that have changed before are compared with what they were. Of all others only the time is
known from which on we watch, and the file system says the rest: a file that was written since is
younger than that; one that another file took the place of by a rename has a folder that changed
as late as the file's inode did; after chmod, which changes the inode alone, neither holds.
"""

import os
import time
from pathlib import Path
from typing import Final

from httpprocessproxy.watch.connection import File

# Files' times come from a clock that ticks as seldom as every 10 ms.
_TICK_NS: Final = 10_000_000

Stamp = tuple[int, int, int]


class Stamps:
    """The files that changed since we watch, as they were then."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamps: dict[str, tuple[Stamp, int] | None] = {}
        self._began_ns = _now_ns()

    def forget(self) -> None:
        """Begin again: what happened up to now is not known."""
        self._stamps.clear()
        self._began_ns = _now_ns()

    def is_change(self, file: File) -> bool:
        """Take note of a file that something happened to: did its content change?

        If all times are the same as before, two writes fell into one tick of the clock.
        """
        name = file["name"]
        is_known = name in self._stamps
        before = self._stamps.get(name)
        now = self._stamps[name] = _stamp(file) if file["exists"] else None
        if now is None:
            # What came and went unseen may have been a folder: Watchman cannot say.
            return before is not None if is_known else not file["new"]
        if before is not None:
            return before[0] != now[0] or before[1] == now[1]
        return is_known or file["new"] or self._was_written(file)

    def _was_written(self, file: File) -> bool:
        if file["mtime_ns"] > self._began_ns or file["ctime_ns"] <= self._began_ns:
            return True  # written; or another file by the name of the same folder
        try:
            folder = os.stat((self._root / file["name"]).parent)
        except OSError:
            return True
        return folder.st_mtime_ns >= file["ctime_ns"] - _TICK_NS


def _now_ns() -> int:
    return time.time_ns() - _TICK_NS


def _stamp(file: File) -> tuple[Stamp, int]:
    return (file["ino"], file["size"], file["mtime_ns"]), file["ctime_ns"]
