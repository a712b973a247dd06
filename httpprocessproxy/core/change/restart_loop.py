"""Restart loops: a server that writes a watched file each time it starts.

Two criteria distinguish a loop from a user who saves often. Either the same file changes TIMES
times in a row before the server has answered, always about the same time after its start, over at
least LASTING_S seconds: a user does not save so regularly. Or the file changes after SUSPICIOUS
starts in a row, and the server has it open for writing: the caller must look that up, so the file
is only reported as unconfirmed.

Only the first change of a start counts, with all paths in it or, in a start that continues
nevertheless (`outputs.py`), after it; a start without a path ends the row of that path. A file
that the server writes after it has answered, and closes at once, is not recognized: a user may
be waiting for each response before the next save. Times are monotonic seconds. No I/O.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TIMES: Final = 10
LASTING_S: Final = 3.0

# The tolerated spread of the times from start to change: a quarter, as the machine may be busy,
# within bounds: a server that takes minutes is still more regular than a user.
SPREAD_RATIO: Final = 0.25
LEAST_SPREAD_S: Final = 0.02
MOST_SPREAD_S: Final = 0.5

# Starts in a row before a look-up of open files, then twice as many: a look-up costs time.
SUSPICIOUS: Final = 5
# A change later than this does not belong to the start, if the server has answered.
START_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LoopVerdict:
    """The changed files that the server writes, and those for which it must be looked up."""

    written: frozenset[str]
    unconfirmed: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    after_s: float
    is_before_answer: bool


class _ChangeRow:
    """A file's changes in consecutive starts: their number, the first time, the last ones."""

    def __init__(self) -> None:
        self.length = 0
        self.last: deque[_Change] = deque(maxlen=TIMES)
        self._began_at = 0.0

    def append(self, change: _Change) -> None:
        self._began_at = self._began_at if self.length else change.at
        self.length += 1
        self.last.append(change)

    @property
    def is_due(self) -> bool:
        """Whether the length is SUSPICIOUS times a power of two."""
        times, rest = divmod(self.length, SUSPICIOUS)
        return times > 0 and rest == 0 and times & (times - 1) == 0

    @property
    def is_regular(self) -> bool:
        if self.length < TIMES or not all(change.is_before_answer for change in self.last):
            return False
        waits = sorted(change.after_s for change in self.last)
        spread_s = min(SPREAD_RATIO * waits[TIMES // 2], MOST_SPREAD_S)
        has_lasted = self.last[-1].at - self._began_at >= LASTING_S
        return has_lasted and waits[-1] - waits[0] <= max(spread_s, LEAST_SPREAD_S)


class RestartLoop:
    """The changes after the last starts. `started` is called first."""

    def __init__(self) -> None:
        self._started_at = 0.0
        self._has_answered = False
        self._rows: dict[str, _ChangeRow] = {}
        self._changed: frozenset[str] = frozenset()

    def started(self, now: float) -> None:
        """Record a start or restart of the server."""
        self._rows = {path: row for path, row in self._rows.items() if path in self._changed}
        self._changed = frozenset()
        self._started_at, self._has_answered = now, False

    def answered(self) -> None:
        """Record the server's first response since its start."""
        self._has_answered = True

    def changed(self, paths: Iterable[str], now: float, *, goes_on: bool = False) -> LoopVerdict:
        """Record files that restart the server: at once or, if the start `goes_on`, after it."""
        if self._changed and not goes_on:
            return LoopVerdict(frozenset(), frozenset())
        after_s = now - self._started_at
        if after_s > START_S and self._has_answered:
            self._rows.clear()
            return LoopVerdict(frozenset(), frozenset())
        new = frozenset(paths) - self._changed
        self._changed |= new
        for path in new:
            row = self._rows.setdefault(path, _ChangeRow())
            row.append(_Change(now, after_s, not self._has_answered))
        written = frozenset(path for path in new if self._rows[path].is_regular)
        due = frozenset(path for path in new if self._rows[path].is_due)
        return LoopVerdict(written, due - written)
