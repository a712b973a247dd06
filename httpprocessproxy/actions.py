"""What a change of files leads to: a restart, a refresh of browsers, or nothing.

It stands between the watcher and the supervisor. A file to refresh restarts nothing, unless the
server has ended: then it starts it, as any other does. While the server restarts there is nothing
to refresh, for the browsers reload at the end of it anyway. A file that the server writes at each
start is left out.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from wcmatch.glob import escape

from httpprocessproxy.core.burst import Burst
from httpprocessproxy.core.patterns import ANYTHING
from httpprocessproxy.core.recurrence import Recurrence
from httpprocessproxy.core.state import State
from httpprocessproxy.feed import Feed, Message
from httpprocessproxy.process import open_for_writing

# What a build writes together is refreshed together, and nobody sees so short a wait.
REFRESH_SETTLE_S: Final = 0.02

Paths = frozenset[str]


class Actions:
    """Use it on the event loop's thread only."""

    def __init__(
        self,
        refreshes: Callable[[str], bool],
        restart: Callable[[Paths], None],
        feed: Feed,
        say: Callable[[str], None],
        open_for_writing: Callable[[Collection[Path]], Collection[Path]] = open_for_writing,
    ) -> None:
        """`refreshes` tells whether a path is one to refresh; `restart` gets the others.

        `open_for_writing` returns those files that the backend may write at present.
        """
        self._root = Path.cwd()  # by its path, for it may be removed and made again
        self._refreshes = refreshes
        self._restart = restart
        self._open_for_writing = open_for_writing
        self._feed = feed
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._state = ""
        self._recurrence = Recurrence()
        self._left_out: Paths = frozenset()
        self._burst = Burst(REFRESH_SETTLE_S)
        self._refreshed: set[str] = set()

    def entered(self, message: Message) -> None:
        """Take a message of the feed's topic "state"."""
        self._state = str(message["state"])
        # If it was left, the reload to come shows these, too.
        self._refreshed.clear()
        if self._state == State.LOADING.value:
            self._recurrence.started(self._loop.time())
        elif self._state == State.RUNNING.value:
            self._recurrence.answered()

    def changed(self, paths: Paths) -> None:
        """Files changed: paths as watchers report them."""
        paths -= self._left_out
        refreshing = frozenset(path for path in paths if self._is_refresh(path))
        restarting = paths - refreshing
        if restarting:
            restarting -= self._written_at_each_start(restarting)
        if restarting:
            self._restart(restarting)
        if refreshing:
            self._refresh(refreshing)

    def _is_refresh(self, path: str) -> bool:
        if path == ANYTHING or self._state == State.ERROR.value:
            return False
        return self._refreshes(path)

    # Restart loops

    def _written_at_each_start(self, paths: Paths) -> Paths:
        """What the server writes itself, from now on left out."""
        verdict = self._recurrence.changed(paths - {ANYTHING}, self._loop.time())
        written = verdict.written
        if verdict.suspects:
            files = {self._root / path: path for path in verdict.suspects}
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
            self._feed.publish("refresh", {"paths": sorted(self._refreshed)}, keep=False)
            self._refreshed.clear()
