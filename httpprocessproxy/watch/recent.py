"""Files that have changed so recently that a second write may have left their stamp as it is.

A file's time comes from a clock that ticks every few milliseconds, or on some file systems every
second or two. Two writes of the same length within one tick, with a look at the file in between,
can be told apart by the content alone (git's index calls such a file "racily clean"). So the
contents of files that have just changed are compared, too, until a tick is over for certain.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.watch.contents import digest_of

# Linux before 6.13 takes the time of a file from a clock that ticks every 1 to 10 ms.
_TICK_S: Final = 0.02
# FAT's clock ticks every two seconds; HFS+, ext3 and some servers of NFS know whole seconds.
_WHOLE_SECONDS_S: Final = 2.5
_SECOND_NS: Final = 1_000_000_000

# A checkout changes more, and is not followed by another within a tick.
MAX_FILES: Final = 100
# A few milliseconds to read. Sources are smaller.
MAX_FILE_BYTES: Final = 1 << 20

# The time of the last change in nanoseconds, and the size in bytes.
Stamp = tuple[int, int]


class Recent:
    """The files below one root that were found to have changed, with their contents then."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, tuple[Stamp, bytes | None, float]] = {}

    def differences(self, stamps: Mapping[str, Stamp], began_at: float) -> frozenset[str]:
        """The files that have the stamp that they had, and another content.

        `stamps` are of all files now, by a look that began at `began_at` (monotonic seconds).
        """
        changed = set()
        for path, (stamp, digest, until) in list(self._files.items()):
            if stamps.get(path) != stamp:
                del self._files[path]
            elif (now := digest_of(self._root / path)) != digest:
                changed.add(path)
                self._files[path] = stamp, now, until
            elif began_at > until:
                del self._files[path]
        return frozenset(changed)

    def add(self, paths: frozenset[str], stamps: Mapping[str, Stamp]) -> None:
        """Take note of files that have changed, before that is reported."""
        for path in paths - self._files.keys():
            stamp = stamps.get(path)
            if stamp is None or stamp[1] > MAX_FILE_BYTES or len(self._files) >= MAX_FILES:
                continue
            digest = digest_of(self._root / path)
            is_coarse = stamp[0] % _SECOND_NS == 0
            tick_s = _WHOLE_SECONDS_S if is_coarse else _TICK_S
            self._files[path] = stamp, digest, time.monotonic() + tick_s
