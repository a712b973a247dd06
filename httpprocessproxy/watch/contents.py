"""Digests of the files' contents, which show whether a save changed a file.

Large files have none. A file without a digest counts as changed, so the first save of a file
counts unless `learn` has read it before.
"""

import enum
import hashlib
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.outputs import FileState
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.tree import walk

# A few megabytes of memory, and about a second of work while the server starts.
MAX_FILES: Final = 20_000
MAX_LEARNED_BYTES: Final = 64 << 20
# A hundredth of a second to read and digest. Sources are smaller.
MAX_FILE_BYTES: Final = 8 << 20

_DIGEST_BYTES: Final = 16
# The kernel's clock for file times ticks every 10 ms at worst.
_TICK_NS: Final = 10_000_000


class ContentVerdict(enum.Enum):
    SAME = "the content is unchanged"
    CHANGED = "the content differs, or was not known"
    EMPTIED = "the file is empty or gone, and had content: an editor may be about to write it"


class Contents:
    """The files below one root. One thread at a time may `judge`, while another may `learn`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._began_ns = time.time_ns() - _TICK_NS
        self._digests: dict[str, bytes] = {}

    def learn(self, scope: Scope) -> None:
        """Read the files in scope, up to a limit. Files written since the constructor stay unknown.

        The server may have been started from their former contents.
        """
        left_bytes = MAX_LEARNED_BYTES
        folders: set[tuple[int, int]] = set()

        def enter(folder: str) -> bool:
            try:
                found = (self._root / folder).stat()
            except OSError:
                return False
            identity = found.st_dev, found.st_ino
            is_new = identity not in folders
            folders.add(identity)
            return is_new

        for prefix, files in walk(self._root, scope, "", enter):
            for path in (prefix + entry.name for entry in files):
                if not scope.matches(path):
                    continue
                if left_bytes <= 0 or len(self._digests) >= MAX_FILES:
                    return
                content, written_ns = self._read(path)
                if content and written_ns < self._began_ns:
                    left_bytes -= len(content)
                    self._digests.setdefault(path, _digest(content))

    def judge(self, paths: Iterable[str], *, is_final: bool) -> dict[str, ContentVerdict]:
        """Compare the files at `paths` with their digests, and store the new digests.

        With `is_final`, an empty or missing file loses its digest and counts as CHANGED; without,
        it keeps it and is EMPTIED.
        """
        return {path: self._judge(path, is_final) for path in paths}

    def forget(self) -> None:
        """Drop all digests: any file may have changed."""
        self._digests.clear()

    def _judge(self, path: str, is_final: bool) -> ContentVerdict:
        before = self._digests.get(path)
        content, _ = self._read(path)
        if not content:
            if before is not None and not is_final:
                return ContentVerdict.EMPTIED
            self._digests.pop(path, None)
            return ContentVerdict.CHANGED
        after = _digest(content)
        if before is not None or len(self._digests) < MAX_FILES:
            self._digests[path] = after
        return ContentVerdict.SAME if after == before else ContentVerdict.CHANGED

    def _read(self, path: str) -> tuple[bytes, int]:
        """The content and the time of the last write in nanoseconds.

        No content for files that cannot be read, are too large, or are not regular files.
        """
        try:
            # Without O_NONBLOCK, opening a FIFO blocks until a writer opens it.
            with open(self._root / path, "rb", buffering=0, opener=_open) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
                    return b"", 0
                content = file.read(MAX_FILE_BYTES)
                found = os.fstat(file.fileno())
        except OSError:
            return b"", 0
        return content, max(found.st_mtime_ns, found.st_ctime_ns)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def state_of(path: Path) -> FileState:
    """The digest of a file, and the time of its last write: (None, 0) without a file."""
    digest = digest_of(path)
    try:
        return digest, os.stat(path).st_mtime_ns
    except OSError:
        return digest, 0


def digest_of(path: Path) -> bytes | None:
    """The digest of a file of any size; None if it is missing, unreadable or not regular."""
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
