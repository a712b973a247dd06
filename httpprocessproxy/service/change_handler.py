"""What a change of files leads to: a restart, a refresh of browsers, or nothing.

It stands between the watcher and the supervisor. A file to refresh restarts nothing, unless the
server has ended: then it starts it, as any other does. While the server restarts there is nothing
to refresh, for the browsers reload at the end of it anyway. A file that the server writes at each
start is left out, and so is one that it has open for writing while it starts, or while a request
that may change something is with it: an upload is no save.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from wcmatch.glob import escape

from httpprocessproxy.core.change.burst import Burst
from httpprocessproxy.core.change.outputs import Outputs
from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.change.restart_loop import RestartLoop
from httpprocessproxy.core.state import State
from httpprocessproxy.events import EventBus, Refreshed, StateChanged
from httpprocessproxy.process import open_for_writing
from httpprocessproxy.watch.contents import state_of

# What a build writes together is refreshed together, and nobody sees so short a wait.
REFRESH_SETTLE_S: Final = 0.02

# How long after a look a file that the server had open may still report its end.
OWN_S: Final = 1.0

Paths = frozenset[str]


class ChangeHandler:
    """Use it on the event loop's thread only."""

    def __init__(
        self,
        refreshes: Callable[[str], bool],
        restart: Callable[[Paths], None],
        bus: EventBus,
        say: Callable[[str], None],
        is_writing: Callable[[], bool] = lambda: False,
        open_for_writing: Callable[[Collection[Path]], Collection[Path]] = open_for_writing,
    ) -> None:
        """`refreshes` tells whether a path is one to refresh; `restart` gets the others.

        `is_writing` tells whether an unsafe request is with the backend, `open_for_writing`
        returns those files that the backend may write at present.
        """
        self._root = Path.cwd()  # by its path, for it may be removed and made again
        self._refreshes = refreshes
        self._restart = restart
        self._open_for_writing = open_for_writing
        self._bus = bus
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._state = ""
        self._is_writing = is_writing
        self._recurrence = RestartLoop()
        self._outputs = Outputs()
        self._own: dict[str, float] = {}  # files of the server's, and until when they are
        self._named: set[str] = set()  # folders with such files that were said
        self._left_out: Paths = frozenset()
        self._burst = Burst(REFRESH_SETTLE_S)
        self._refreshed: set[str] = set()

    def state_changed(self, event: StateChanged) -> None:
        self._state = event.state
        # If it was left, the reload to come shows these, too.
        self._refreshed.clear()
        if self._state == State.LOADING.value:
            self._recurrence.started(self._loop.time())
            self._outputs.started()
        elif self._state == State.RUNNING.value:
            self._recurrence.answered()

    def changed(self, paths: Paths) -> None:
        """Files changed: paths as watchers report them."""
        paths -= self._left_out
        refreshing = frozenset(path for path in paths if self._is_refresh(path))
        restarting = paths - refreshing
        if restarting:
            restarting -= self._written_by_server(restarting)
        if restarting:
            restarting = self._saves(restarting)
        if restarting:
            self._restart(restarting)
        if refreshing:
            self._refresh(refreshing)

    def _is_refresh(self, path: str) -> bool:
        if path == ANYTHING or self._state == State.ERROR.value:
            return False
        return self._refreshes(path)

    @property
    def is_pending(self) -> bool:
        """Whether a change in this start waits for its end, to be judged by `answers`."""
        return self._outputs.is_pending

    def answers(self) -> Paths:
        """The server is about to answer: return the changes that end it all the same."""
        saves, outputs = self._outputs.answered(lambda path: state_of(Path.cwd() / path))
        self._say_of_outputs(outputs)
        return saves

    def _say_of_outputs(self, outputs: Paths) -> None:
        for path in sorted(outputs):
            self._say_once(path, "the start writes {}: that does not count while the server starts")

    def _saves(self, paths: Paths) -> Paths:
        """What restarts the server now. A start that may be writing itself goes on."""
        if self._state != State.LOADING.value or ANYTHING in paths:
            # What ended a start may still come to be known while its processes end.
            if self._state != State.KILLING.value:
                self._outputs.saved(paths)
            return paths - self._written_at_each_start(paths)
        saves = self._outputs.changed(paths)
        written = self._written_at_each_start(saves or paths, goes_on=not saves)
        return saves - written

    # What the server writes

    def _written_by_server(self, paths: Paths) -> Paths:
        """Files that the server has open for writing, at a time when it may, or had just now."""
        is_starting = self._state == State.LOADING.value
        now, is_writing = self._loop.time(), self._is_writing()
        just_now = frozenset(path for path in paths if self._own.get(path, 0.0) > now)
        # A log is written to on and on by the server that has opened it at its start.
        asked = paths - {ANYTHING} if is_starting or is_writing else self._outputs.among(paths)
        if not asked:
            return just_now
        files = {Path.cwd() / path: path for path in asked}
        open_now = frozenset(files[file] for file in self._open_for_writing(files.keys()))
        if is_starting:
            self._say_of_outputs(self._outputs.found(open_now))
        else:
            self._say_of_uploads(open_now - self._outputs.among(open_now))
        if open_now:
            self._own = {path: until for path, until in self._own.items() if until > now}
            self._own |= dict.fromkeys(open_now, now + OWN_S)
        return open_now | just_now

    def _say_of_uploads(self, paths: Paths) -> None:
        for path in sorted(paths):
            self._say_once(path, "the server writes {} itself, for a request: no restart")

    def _say_once(self, path: str, text: str) -> None:
        """Say it for the first file of each folder."""
        if (glob := _glob(path)) not in self._named:
            self._named.add(glob)
            self._say(f"{text.format(path)} (make that last with --exclude '{glob}')")

    def _written_at_each_start(self, paths: Paths, *, goes_on: bool = False) -> Paths:
        """What the server writes itself, from now on left out."""
        verdict = self._recurrence.changed(paths - {ANYTHING}, self._loop.time(), goes_on=goes_on)
        written = verdict.written
        if verdict.unconfirmed:
            files = {self._root / path: path for path in verdict.unconfirmed}
            written |= {files[file] for file in self._open_for_writing(files.keys())}
        self._left_out |= written
        for path in sorted(written):
            self._say(
                f"the server changes {path} at each start: it does not count any more "
                f"(make that last with --exclude '{escape(path)}')"
            )
        return written

    # Refreshing

    def _refresh(self, paths: Paths) -> None:
        if self._state != State.RUNNING.value:
            return
        self._burst.event(self._loop.time())
        if not self._refreshed:
            self._end_burst()
        self._refreshed |= paths

    def _end_burst(self) -> None:
        """Tell browsers, if the burst is over, or else as soon as it is."""
        ends_at = self._burst.ends_at()
        assert ends_at is not None, "there is a burst"
        if ends_at > self._loop.time():
            self._loop.call_at(ends_at, self._end_burst)
        elif self._refreshed:
            self._bus.publish(Refreshed(paths=sorted(self._refreshed)), keep=False)
            self._refreshed.clear()


def _glob(path: str) -> str:
    """The glob for the folder of a file, or for the file if it is in none."""
    folder, _, name = path.rpartition("/")
    return f"{escape(folder)}/**" if folder else escape(name)
