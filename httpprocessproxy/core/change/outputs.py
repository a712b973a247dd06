"""Outputs of a build that runs before the server, told from saves while the server starts.

The rule: a change while the server starts ends the start, as any other does. After PATIENCE starts
in a row that ended so, a build may be writing: the next start goes on until the server answers.
Each file that changed meanwhile is compared with its state at the end of the last such start.
Written again with the same content, it is an output. In the same state, it has not changed: a
watcher may report one write twice, and this start came after the first report. Any other change may
be a save, and ends the start then, before a request is answered by it. A file that the server was
found to have open for writing is an output as well. Outputs do not count while the server starts. A
file that changes while the server runs was saved by a person, and is not an output.

Paths are as watchers report them. No I/O: states of files come from the caller.
"""

from collections.abc import Callable, Mapping
from typing import Final

# Starts in a row that a change ended before the server answered.
PATIENCE: Final = 2

Paths = frozenset[str]

# The digest of a file's content, None without a file; the time of its last write in nanoseconds.
FileState = tuple[bytes | None, int]


class Outputs:
    """What the starts of one server write. `started` comes first."""

    def __init__(self) -> None:
        self._ended = 0
        self._pending: set[str] = set()
        self._left: Mapping[str, FileState] = {}
        self._outputs: set[str] = set()
        self._saved: set[str] = set()

    @property
    def is_pending(self) -> bool:
        """Whether something changed in this start that is not judged yet."""
        return bool(self._pending)

    def among(self, paths: Paths) -> Paths:
        """Those that are outputs."""
        return paths & self._outputs

    def started(self) -> None:
        """The server is started."""
        self._pending.clear()

    def changed(self, paths: Paths) -> Paths:
        """Files changed while the server starts; return those that end the start."""
        paths -= self._outputs
        if not paths:
            return paths
        # One whole start has shown all that the build writes: what is new is a save.
        is_new = bool(self._left) and not paths <= self._left.keys()
        if self._ended >= PATIENCE and not is_new:
            self._pending |= paths
            return frozenset()
        self._ended += 1
        self._pending.clear()
        return paths

    def saved(self, paths: Paths) -> None:
        """Files changed while the server does not start."""
        self._saved |= paths
        self._outputs -= paths

    def found(self, paths: Paths) -> Paths:
        """The server had these open for writing while it started; return those that are new."""
        new = paths - self._outputs - self._saved
        self._outputs |= new
        return new

    def answered(self, state_of: Callable[[str], FileState]) -> tuple[Paths, Paths]:
        """The server is about to answer: return what ends it all the same, and new outputs."""
        if not self._pending:
            self._ended = 0
            return frozenset(), frozenset()
        now = {path: state_of(path) for path in self._pending}
        same = {path for path in now if path in self._left and now[path][0] == self._left[path][0]}
        written = {path for path in same if now[path] != self._left[path]}
        found = frozenset(written - self._saved)
        self._outputs |= found
        unexplained = frozenset(
            path for path in now if path not in same and not self._is_temporary(path, now)
        )
        self._left = {**self._left, **now}
        self._pending.clear()
        if not unexplained:
            self._ended = 0
        return unexplained, found

    def _is_temporary(self, path: str, now: Mapping[str, FileState]) -> bool:
        """Whether it came and went beside an output, by a longer name: as go, tar and ld do."""
        beside = (
            one for one in (*self._outputs, *now) if one != path and "/" not in path[len(one) :]
        )
        return now[path][0] is None and any(path.startswith(one) for one in beside)
