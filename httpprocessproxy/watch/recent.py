"""Recently changed files, whose stamps a second write may leave unchanged.

The clock for file times ticks every few milliseconds, on some file systems every second or two.
Two writes of the same length within one tick, with a scan in between, differ only in the content
(git's index calls such a file "racily clean"). Polling therefore also compares the contents of
recently changed files, until the tick is certainly over.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.watch.contents import digest_of

# Linux before 6.13 dates files by a clock that ticks every 1 to 10 ms.
_TICK_S: Final = 0.02
# FAT's clock ticks every two seconds; HFS+, ext3 and some NFS servers store whole seconds.
_WHOLE_SECONDS_S: Final = 2.5
_SECOND_NS: Final = 1_000_000_000

# A checkout changes more files, but a second checkout does not follow within a tick.
MAX_FILES: Final = 100
# A few milliseconds to read. Sources are smaller.
MAX_FILE_BYTES: Final = 1 << 20

# The time of the last change in nanoseconds, and the size in bytes.
Stamp = tuple[int, int]


class Recent:
    """The recently changed files below one root, with digests of their contents."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, tuple[Stamp, bytes | None, float]] = {}

    def differences(self, stamps: Mapping[str, Stamp], began_at: float) -> frozenset[str]:
        """The files whose stamp is unchanged and whose content differs.

        `stamps` are those of all files, from a scan that began at `began_at` (monotonic seconds).
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
        """Store the stamps and digests of changed files; call this before reporting them."""
        for path in paths - self._files.keys():
            stamp = stamps.get(path)
            if stamp is None or stamp[1] > MAX_FILE_BYTES or len(self._files) >= MAX_FILES:
                continue
            digest = digest_of(self._root / path)
            is_coarse = stamp[0] % _SECOND_NS == 0
            tick_s = _WHOLE_SECONDS_S if is_coarse else _TICK_S
            self._files[path] = stamp, digest, time.monotonic() + tick_s
