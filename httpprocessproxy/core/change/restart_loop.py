"""Restart loops: a server that writes a file that counts, each time that it starts.

The rule: two things tell it from a person who saves often. Either the same file changes TIMES
times in a row while the server has not answered yet, always about as long after its start and
for LASTING_S; nobody keeps such a beat. Or it changes after SUSPICIOUS starts in a row, and the
server has it open for writing: that has to be looked up, so it is only suspected here.

Only the first change of a start counts, with all that comes with it or, in a start that goes on
nevertheless (`outputs.py`), after it; and one start without a path ends its row. What a server
writes after it has answered, and closes at once, is not recognized: that may be somebody who waits
for each answer. Times are monotonic seconds. No I/O.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TIMES: Final = 10
LASTING_S: Final = 3.0

# How much the times from the start to the change may differ: a quarter, for a machine that is
# busy; yet a server that takes minutes keeps a beat that no person would.
SPREAD_RATIO: Final = 0.25
LEAST_SPREAD_S: Final = 0.02
MOST_SPREAD_S: Final = 0.5

# Starts in a row after which to look; then again after twice as many, for it costs time.
SUSPICIOUS: Final = 5
# So long after its start a change is no part of it.
START_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LoopVerdict:
    """What is known of the files that changed: those that the server writes, and suspects."""

    written: frozenset[str]
    unconfirmed: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    after_s: float
    is_before_answer: bool


class _ChangeRow:
    """The changes of a file in a row: how many, since when, and the last of them."""

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
        """Whether its length is SUSPICIOUS, or twice that, four times and so on."""
        times, rest = divmod(self.length, SUSPICIOUS)
        return times > 0 and rest == 0 and times & (times - 1) == 0

    @property
    def has_a_beat(self) -> bool:
        if self.length < TIMES or not all(change.is_before_answer for change in self.last):
            return False
        waits = sorted(change.after_s for change in self.last)
        spread_s = min(SPREAD_RATIO * waits[TIMES // 2], MOST_SPREAD_S)
        has_lasted = self.last[-1].at - self._began_at >= LASTING_S
        return has_lasted and waits[-1] - waits[0] <= max(spread_s, LEAST_SPREAD_S)


class RestartLoop:
    """The changes after the last starts. `started` comes first."""

    def __init__(self) -> None:
        self._started_at = 0.0
        self._has_answered = False
        self._rows: dict[str, _ChangeRow] = {}
        self._changed: frozenset[str] = frozenset()

    def started(self, now: float) -> None:
        """The server is started, or started again."""
        self._rows = {path: row for path, row in self._rows.items() if path in self._changed}
        self._changed = frozenset()
        self._started_at, self._has_answered = now, False

    def answered(self) -> None:
        """The server has answered for the first time since its start."""
        self._has_answered = True

    def changed(self, paths: Iterable[str], now: float, *, goes_on: bool = False) -> LoopVerdict:
        """Files changed that restart the server, at once or, if the start `goes_on`, after it."""
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
        written = frozenset(path for path in new if self._rows[path].has_a_beat)
        due = frozenset(path for path in new if self._rows[path].is_due)
        return LoopVerdict(written, due - written)
