"""The Watchman watcher, which runs in a thread.

One clock runs through all connections. The first is requested before anything else; a query since
the last clock returns the changes in the meantime, and a subscription continues from the query's
clock, so that neither a start nor a reconnect loses or invents a change. After a "fresh instance"
(Watchman was restarted, or crawled again) any file may have changed. Watchman never lists all
files: a large project has hundreds of thousands.

Watchman does not look behind links: a project with a link to files in scope needs another watcher
(`UnfitError`), as does any project once Watchman does not answer.
"""

import asyncio
import os
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch.connection import (
    FAILURES,
    File,
    MuteError,
    Wake,
    WatchmanAnswer,
    WatchmanConnection,
)
from httpprocessproxy.watch.stamps import Stamps
from httpprocessproxy.watch.task import Task, UnfitError
from httpprocessproxy.watch.tree import hides_files

# Timeout of the first crawl: the tree may be large, and the disk slow.
_CRAWL_S: Final = 300.0
_SYNC: Final = {"sync_timeout": int(_CRAWL_S * 1000)}
_FLUSH_MS: Final = 5000
# Time for Watchman to come back after a restart or an update.
_GONE_S: Final = 10.0
_FIRST_RETRY_S: Final = 0.05
_LAST_RETRY_S: Final = 1.0
# Timeout of each command that cleans up at the end.
_END_S: Final = 0.5

# A unique subscription name for each watcher of this process.
_NAMES: Final = (f"http-process-proxy {os.getpid()} {number}" for number in count())

_FIELDS: Final = ["name", "exists", "new", "type", "ino", "size", "mtime_ns", "ctime_ns"]


class CanceledError(Exception):
    """The subscription has ended; most often the root is gone. The worker watches it again."""


class Watchman:
    """A `threads.Worker` and a `Watcher`.

    `work` raises UserError if it cannot begin, and UnfitError if it should not. If it ends later
    without `stop`, `lose` is called with the reason.
    """

    is_immediate = False

    def __init__(self, task: Task, why: str, lose: Callable[[str], None]) -> None:
        self.description = f"Watchman: {why}"
        self.connection: WatchmanConnection | None = None  # while it is subscribed
        self._why = why
        self._lose = lose
        self._task = task
        self._name = next(_NAMES)
        self._stopping = Wake()
        self._has_begun = False
        self._root: bytes | None = None
        self._has_added_root = False
        self._clock: str | None = None
        self._stamps = Stamps(task.root)
        self._outage = _Outage()
        self._warned: set[str] = set()

    def work(self, ready: Callable[[], None]) -> None:
        def begun() -> None:
            self._has_begun = True
            ready()

        try:
            while not self._stopping.is_set:
                self._connect(begun)
                self._stopping.wait(self._outage.next_retry_s())
        except UnfitError as error:
            if not self._has_begun:
                raise
            self._lose(str(error))
        finally:
            self._stopping.close()

    def stop(self) -> None:
        self._stopping.set()

    def catch_up(self) -> bool:
        return True

    async def fence(self) -> None:
        """Return once all writes before the call are reported; Watchman ensures it by cookies.

        Called on the event loop's thread. Raises ConnectionError while disconnected.
        """
        connection = self.connection
        if connection is None or self._root is None:
            raise ConnectionResetError("there is no connection to Watchman")
        flush = connection.ask("flush-subscriptions", self._root, {"sync_timeout": _FLUSH_MS})
        # Shielded: a cancelled caller must not cancel a future that the other thread resolves.
        await asyncio.shield(asyncio.wrap_future(flush))

    def _connect(self, ready: Callable[[], None]) -> None:
        """Open one connection and follow it to its end."""
        try:
            self._follow(ready)
        except (*FAILURES, CanceledError, MuteError) as error:
            if self._stopping.is_set:
                return
            if not self._has_begun:
                it = "it " if isinstance(error, MuteError) else ""
                raise UserError(f"cannot watch with Watchman: {it}{_reason(error)}") from None
            if isinstance(error, MuteError):
                raise UnfitError(f"Watchman {_reason(error)}") from None
            if not isinstance(error, CanceledError):
                self._report_loss(error)

    def _follow(self, ready: Callable[[], None]) -> None:
        connection = WatchmanConnection(self._stopping)
        try:
            self._subscribe(connection)
            self.connection = connection
            if self._outage.is_back():
                self._task.say("Watchman is back")
            if not self._has_begun:
                ready()
            for answer in connection.listen():
                self._handle(answer)
            self._remove_root(connection)
        finally:
            self.connection = None
            connection.close()

    def _subscribe(self, connection: WatchmanConnection) -> None:
        """Handle the changes since the last clock, and subscribe."""
        version = connection.query("version")["version"]
        self.description = f"Watchman {version}: {self._why}"
        before = connection.query("watch-list")["roots"]
        folder = os.fsencode(self._task.root)
        watched = connection.query("watch-project", folder, within_s=_CRAWL_S)
        self._warn(watched)
        if self._root is None:
            self._has_added_root = watched["watch"] not in before
        root = self._root = os.fsencode(watched["watch"])
        inside: dict[str, object] = {}
        if "relative_path" in watched:
            inside["relative_root"] = os.fsencode(watched["relative_path"])
        query = {
            **inside,
            "expression": self._expression(),
            "fields": _FIELDS,
            "empty_on_fresh_instance": True,
        }
        if self._clock is None:
            self._clock = connection.query("clock", root, _SYNC, within_s=_CRAWL_S)["clock"]
        else:
            caught_up = {**query, "since": self._clock, **_SYNC}
            self._handle(connection.query("query", root, caught_up, within_s=_CRAWL_S))
        connection.query("subscribe", root, self._name, {**query, "since": self._clock})
        links = {**inside, "expression": ["allof", ["type", "l"], self._expression()]}
        found = connection.query("query", root, {**links, "fields": ["name"]}, within_s=_CRAWL_S)
        self._refuse_links([str(name) for name in found["files"]])

    def _expression(self) -> list[object]:
        """All files except those in top folders without files in scope, often the largest ones.

        Only for speed: `_handle` matches every file against the scope.
        """
        with os.scandir(self._task.root) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        may_contain = self._task.scope.may_contain
        excluded = [os.fsencode(folder) for folder in folders if not may_contain(folder)]
        return ["not", ["anyof", ["type", "d"], *(["dirname", one] for one in excluded)]]

    def _handle(self, answer: WatchmanAnswer) -> None:
        self._warn(answer)
        if answer.get("canceled"):
            raise CanceledError("the directory is not watched any more")
        matches = self._task.scope.matches
        files: list[File] = answer.get("files", [])
        self._refuse_links([file["name"] for file in files if file.get("type") == "l"])
        if answer.get("is_fresh_instance"):
            self._stamps.forget()
            changed = frozenset({ANYTHING})
        else:
            counting = [file for file in files if matches(file["name"])]
            changed = frozenset([file["name"] for file in counting if self._stamps.is_change(file)])
        self._clock = answer.get("clock", self._clock)
        if changed and not self._stopping.is_set:
            self._task.changed(changed)
            if self._task.scope.renew(changed):
                raise CanceledError("other folders are in scope now")

    def _refuse_links(self, links: list[str]) -> None:
        for link in links:
            if hides_files(self._task.root, self._task.scope, link):
                raise UnfitError(f"Watchman does not look behind links such as {link}")

    def _remove_root(self, connection: WatchmanConnection) -> None:
        """Remove the root from Watchman's list if this worker added it and no other client uses it.

        A root costs an inotify instance, of which a user has 128, and would stay for days.
        """
        if self._root is None or not self._has_added_root:
            return
        connection.ignore_stop()
        query = connection.query
        query("unsubscribe", self._root, self._name, within_s=_END_S)
        others = query("debug-get-subscriptions", self._root, within_s=_END_S)["subscribers"]
        triggers = query("trigger-list", self._root, within_s=_END_S)["triggers"]
        if not others and not triggers:
            query("watch-del", self._root, within_s=_END_S)

    def _warn(self, answer: WatchmanAnswer) -> None:
        """Print a warning once: Watchman repeats it with every answer."""
        warning = " ".join(answer.get("warning", "").split())
        if warning and warning not in self._warned:
            self._warned.add(warning)
            self._task.say(f"Watchman: {warning}")

    def _report_loss(self, error: Exception) -> None:
        if self._outage.is_first():
            self._task.say(f"Watchman: {_reason(error)}; changes are not seen until it is back")
        elif self._outage.is_for_good():
            raise UnfitError(f"Watchman is not back after {_GONE_S:g} s")


class _Outage:
    """The time since the connection to Watchman was lost, and the next reconnect."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._retry_s = _FIRST_RETRY_S

    def is_first(self) -> bool:
        if self._since is not None:
            return False
        self._since = time.monotonic()
        return True

    def is_for_good(self) -> bool:
        return self._since is not None and time.monotonic() - self._since > _GONE_S

    def is_back(self) -> bool:
        """Reset the time and the interval; return whether the connection had been lost."""
        was_gone = self._since is not None
        self._since, self._retry_s = None, _FIRST_RETRY_S
        return was_gone

    def next_retry_s(self) -> float:
        retry_s, self._retry_s = self._retry_s, min(2 * self._retry_s, _LAST_RETRY_S)
        return retry_s


def _reason(error: Exception) -> str:
    """The error in one line, without the command that failed."""
    if isinstance(error, LookupError | TypeError):
        return f"an answer without {error}"
    return " ".join(str(error).partition(", while executing")[0].split())
