"""Outputs of a build that runs before the server, distinguished from saves during a start.

A change while the server starts ends the start. After PATIENCE such starts in a row, a build may
be writing: the next start continues until the server answers. Each file changed meanwhile is then
compared with its state after the previous such start. A file written again with the same content is
an output. A file in the same state has not changed: a watcher may report one write twice, and this
start came after the first report. Any other file may have been saved, and ends the start, before
the server has answered a request. A file that the server has open for writing is an output as well.
Changes of outputs are ignored while the server starts. A file that changes while the server runs is
a save, never an output.

Paths are as watchers report them. No I/O: states of files come from the caller.
"""

from collections.abc import Callable, Mapping
from typing import Final

# The number of starts in a row that a change must end before a build is suspected.
PATIENCE: Final = 2

Paths = frozenset[str]

# The digest of a file's content, None without a file; the time of its last write in nanoseconds.
FileState = tuple[bytes | None, int]


class Outputs:
    """The files that the starts of one server write. `started` is called first."""

    def __init__(self, *, saves_end: bool = False) -> None:
        """If `saves_end`, a file that was saved before ends each start in which it changes."""
        self._saves_end = saves_end
        self._ended = 0
        self._pending: set[str] = set()
        self._states: Mapping[str, FileState] = {}
        self._outputs: set[str] = set()
        self._saved: set[str] = set()

    @property
    def is_pending(self) -> bool:
        """Whether a file changed in this start and is not judged yet."""
        return bool(self._pending)

    def among(self, paths: Paths) -> Paths:
        """The outputs among `paths`."""
        return paths & self._outputs

    def started(self) -> None:
        """Record a start of the server."""
        self._pending.clear()

    def changed(self, paths: Paths) -> Paths:
        """Record files that changed while the server starts; return those that end the start."""
        paths -= self._outputs
        if not paths:
            return paths
        if self._saves_end and not paths.isdisjoint(self._saved):
            self._pending.clear()
            return paths
        # One complete start has shown all files that the build writes: any other is a save.
        is_new = bool(self._states) and not paths <= self._states.keys()
        if self._ended >= PATIENCE and not is_new:
            self._pending |= paths
            return frozenset()
        self._ended += 1
        self._pending.clear()
        return paths

    def saved(self, paths: Paths) -> None:
        """Record files that changed while the server was not starting."""
        self._saved |= paths
        self._outputs -= paths

    def found(self, paths: Paths) -> Paths:
        """Record files that the server had open for writing during a start; return new outputs."""
        new = paths - self._outputs - self._saved
        self._outputs |= new
        return new

    def answered(self, state_of: Callable[[str], FileState]) -> tuple[Paths, Paths]:
        """Judge the changes before the server answers: return saved files, and new outputs.

        The saved files end the start.
        """
        if not self._pending:
            self._ended = 0
            return frozenset(), frozenset()
        now = {path: state_of(path) for path in self._pending}
        known = self._states
        same = {path for path in now if path in known and now[path][0] == known[path][0]}
        written = {path for path in same if now[path] != known[path]}
        found = frozenset(written - self._saved)
        self._outputs |= found
        unexplained = frozenset(
            path for path in now if path not in same and not self._is_temporary(path, now)
        )
        self._states = {**known, **now}
        self._pending.clear()
        if not unexplained:
            self._ended = 0
        return unexplained, found

    def _is_temporary(self, path: str, now: Mapping[str, FileState]) -> bool:
        """Whether a removed file's name extends an output's: a temporary file of go, tar or ld."""
        beside = (
            one for one in (*self._outputs, *now) if one != path and "/" not in path[len(one) :]
        )
        return now[path][0] is None and any(path.startswith(one) for one in beside)
