"""The change handler: turns file changes into a restart, a refresh of browsers, or nothing.

It stands between the watcher and the supervisor. A file of --refresh causes no restart, unless the
server has exited: then it starts the server, as any other file does. During a restart there are no
refreshes, as browsers reload at its end anyway. Changes by the server itself are ignored: of a
file that it writes at each start, and of a file that it has open for writing during its start or
during an unsafe request (an upload is not a save).
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.burst import Burst
from httpprocessproxy.core.change.outputs import Outputs
from httpprocessproxy.core.change.patterns import ANYTHING, literal
from httpprocessproxy.core.change.restart_loop import RestartLoop
from httpprocessproxy.core.state import State
from httpprocessproxy.watch.contents import state_of

# Joins the files that a build writes together; too short a delay for a user to notice.
REFRESH_SETTLE_S: Final = 0.02

# The close of a file that the server had open is reported within this time.
OWN_S: Final = 1.0

Paths = frozenset[str]


@dataclass(frozen=True, slots=True)
class ChangeEffects:
    """`restart` receives changed files, `refresh` those of --refresh; `say` prints a line."""

    restart: Callable[[Paths], None]
    refresh: Callable[[list[str]], None]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServerWrites:
    """The evidence for files that the server itself writes.

    `is_writing` returns whether an unsafe request is in flight, `open_files` returns those of the
    given files that the server has open for writing. While `is_building`, a build is to judge the
    changes that are not the server's.
    """

    is_writing: Callable[[], bool]
    open_files: Callable[[Collection[Path]], Collection[Path]]
    is_building: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class ChangedProgram:
    """The words for a program whose starts are judged, and one rule.

    `start` is the subject of a line and `while_` a clause. If `saves_end`, a file that was saved
    before ends each start in which it changes.
    """

    name: str = "the server"
    start: str = "the start"
    while_: str = "while the server starts"
    saves_end: bool = False


class ChangeHandler:
    """Handles the watcher's reports. For the event loop's thread only."""

    def __init__(
        self,
        effects: ChangeEffects,
        refreshes: Callable[[str], bool],
        writes: ServerWrites,
        program: ChangedProgram = ChangedProgram(),
    ) -> None:
        """`refreshes` returns whether a path is one of --refresh."""
        self._root = Path.cwd()  # as a path: the directory may be removed and created again
        self._refreshes = refreshes
        self._restart = effects.restart
        self._show_refresh = effects.refresh
        self._say = effects.say
        self._is_writing = writes.is_writing
        self._is_building = writes.is_building
        self._program = program
        self._open_for_writing = writes.open_files
        self._loop = asyncio.get_running_loop()
        self._state: State | None = None
        self._recurrence = RestartLoop()
        self._outputs = Outputs(saves_end=program.saves_end)
        self._own: dict[str, float] = {}  # files that the server had open, with an expiry time
        self._reported: set[str] = set()  # globs of the folders with reported files
        self._left_out: Paths = frozenset()
        self._burst = Burst(REFRESH_SETTLE_S)
        self._refreshed: set[str] = set()

    def entered(self, state: State) -> None:
        """Record the machine's new state."""
        self._state = state
        # After RUNNING a reload follows, which shows these files as well.
        self._refreshed.clear()
        if self._state is State.LOADING:
            self._recurrence.started(self._loop.time())
            self._outputs.started()
        elif self._state is State.RUNNING:
            self._recurrence.answered()

    def changed(self, paths: Paths) -> None:
        """Handle changed files; the paths are as watchers report them."""
        paths -= self._left_out
        refreshing = frozenset(path for path in paths if self._is_refresh(path))
        restarting = paths - refreshing
        if restarting:
            restarting -= self._written_by_server(restarting)
        if restarting and not self._is_building():
            restarting = self._saves(restarting)
        if restarting:
            self._restart(restarting)
        if refreshing:
            self._refresh(refreshing)

    def _is_refresh(self, path: str) -> bool:
        if path == ANYTHING or self._state is State.ERROR:
            return False
        return self._refreshes(path)

    @property
    def is_pending(self) -> bool:
        """Whether a change in this start is pending until `answers` judges it."""
        return self._outputs.is_pending

    def answers(self) -> Paths:
        """Judge pending changes before the server answers: return those that end the start."""
        saves, outputs = self._outputs.answered(lambda path: state_of(Path.cwd() / path))
        self._report_outputs(outputs)
        return saves

    def _report_outputs(self, outputs: Paths) -> None:
        start, while_ = self._program.start, self._program.while_
        for path in sorted(outputs):
            self._say_once(path, f"{start} writes {path}: that does not count {while_}")

    def _saves(self, paths: Paths) -> Paths:
        """The paths that restart the server now. A start that may write files itself goes on."""
        if self._state is not State.LOADING or ANYTHING in paths:
            # While a start is killed, its own writes may still be reported.
            if self._state is not State.KILLING:
                self._outputs.saved(paths)
            return paths - self._written_at_each_start(paths)
        saves = self._outputs.changed(paths)
        written = self._written_at_each_start(saves or paths, goes_on=not saves)
        return saves - written

    # Files written by the server

    def _written_by_server(self, paths: Paths) -> Paths:
        """The files that the server has or just had open, during a start or an unsafe request."""
        is_starting = self._state is State.LOADING and not self._is_building()
        now, is_writing = self._loop.time(), self._is_writing()
        just_now = frozenset(path for path in paths if self._own.get(path, 0.0) > now)
        # Outputs at any time: a server writes constantly to a log that it opened at its start.
        candidates = paths - {ANYTHING} if is_starting or is_writing else self._outputs.among(paths)
        if not candidates:
            return just_now
        files = {Path.cwd() / path: path for path in candidates}
        open_now = frozenset(files[file] for file in self._open_for_writing(files.keys()))
        if is_starting:
            self._report_outputs(self._outputs.found(open_now))
        else:
            self._report_uploads(open_now - self._outputs.among(open_now))
        if open_now:
            self._own = {path: until for path, until in self._own.items() if until > now}
            self._own |= dict.fromkeys(open_now, now + OWN_S)
        return open_now | just_now

    def _report_uploads(self, paths: Paths) -> None:
        for path in sorted(paths):
            self._say_once(path, f"the server writes {path} itself, for a request: no restart")

    def _say_once(self, path: str, text: str) -> None:
        """Print the message for the first file of each folder only."""
        if (glob := _glob(path)) not in self._reported:
            self._reported.add(glob)
            self._say(f"{text} (make that last with --exclude '{glob}')")

    def _written_at_each_start(self, paths: Paths, *, goes_on: bool = False) -> Paths:
        """The files that the server writes at each start; they are ignored from now on."""
        verdict = self._recurrence.changed(paths - {ANYTHING}, self._loop.time(), goes_on=goes_on)
        written = verdict.written
        if verdict.unconfirmed:
            files = {self._root / path: path for path in verdict.unconfirmed}
            written |= {files[file] for file in self._open_for_writing(files.keys())}
        self._left_out |= written
        for path in sorted(written):
            self._say(
                f"{self._program.name} changes {path} at each start: it does not count any more "
                f"(make that last with --exclude '{literal(path)}')"
            )
        return written

    # Refreshing

    def _refresh(self, paths: Paths) -> None:
        if self._state is not State.RUNNING:
            return
        self._burst.event(self._loop.time())
        if not self._refreshed:
            self._end_burst()
        self._refreshed |= paths

    def _end_burst(self) -> None:
        """Refresh browsers if the burst is over, or else once it is."""
        ends_at = self._burst.ends_at()
        assert ends_at is not None, "there is a burst"
        if ends_at > self._loop.time():
            self._loop.call_at(ends_at, self._end_burst)
        elif self._refreshed:
            self._show_refresh(sorted(self._refreshed))
            self._refreshed.clear()


def _glob(path: str) -> str:
    """The glob for all files in the file's folder, or for the file itself if it is in the root."""
    folder, _, name = path.rpartition("/")
    return f"{literal(folder)}/**" if folder else literal(name)
