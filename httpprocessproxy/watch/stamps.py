"""Distinguishes a save from chmod by the metadata that Watchman reports for a file.

A file that has changed before is compared with its previous stamp. For any other file only the
time is known at which watching began: a file written since has a later modification time; after a
rename over the file, its folder changed as late as the file's inode; after chmod, which changes
the inode alone, neither holds.
"""

import os
import time
from pathlib import Path
from typing import Final

from httpprocessproxy.watch.connection import File

# The kernel's clock for file times ticks every 10 ms at worst.
_TICK_NS: Final = 10_000_000

Stamp = tuple[int, int, int]


class Stamps:
    """The stamps of files that have changed since watching began."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamps: dict[str, tuple[Stamp, int] | None] = {}
        self._began_ns = _now_ns()

    def forget(self) -> None:
        """Drop all stamps: earlier changes are unknown."""
        self._stamps.clear()
        self._began_ns = _now_ns()

    def is_change(self, file: File) -> bool:
        """Store the stamp of a reported file; return whether its content changed.

        If all times are the same as before, two writes fell into one tick of the clock.
        """
        name = file["name"]
        is_known = name in self._stamps
        before = self._stamps.get(name)
        now = self._stamps[name] = _stamp(file) if file["exists"] else None
        if now is None:
            # A file that came and went between two reports may have been a folder: Watchman
            # does not report the type of either.
            return before is not None if is_known else not file["new"]
        if before is not None:
            return before[0] != now[0] or before[1] == now[1]
        return is_known or file["new"] or self._was_written(file)

    def _was_written(self, file: File) -> bool:
        if file["mtime_ns"] > self._began_ns or file["ctime_ns"] <= self._began_ns:
            return True  # written, or an older file of the same folder was renamed over it
        try:
            folder = os.stat((self._root / file["name"]).parent)
        except OSError:
            return True
        return folder.st_mtime_ns >= file["ctime_ns"] - _TICK_NS


def _now_ns() -> int:
    return time.time_ns() - _TICK_NS


def _stamp(file: File) -> tuple[Stamp, int]:
    return (file["ino"], file["size"], file["mtime_ns"]), file["ctime_ns"]
