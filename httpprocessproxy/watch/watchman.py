"""Watching with Watchman, by pywatchman in a thread of its own: it blocks, and has no locks.

The rule: one clock runs through all connections. A query since the last clock answers what changed
in the meantime, and a subscription from the query's clock goes on from there, so that neither a
start nor a reconnect loses or invents a change. When Watchman cannot tell ("fresh instance": it
was restarted, or crawled anew) it lists every file, and anything may have changed.

The list also says what each file was, which tells chmod, that does not count, from the rename of
an older file over this one, that does. Links to directories outside of the root are not followed.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Final, TypedDict

import pywatchman

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.patterns import ANYTHING
from httpprocessproxy.watch.task import Task

# The first query waits for the first crawl: a large tree, a slow disk.
_SETUP_S: Final = 300.0
_FIRST_RETRY_S: Final = 0.05
_LAST_RETRY_S: Final = 1.0
# How long Watchman may take to see its own cookie.
_SYNC_MS: Final = 5000

# pywatchman keeps what arrives by this name, for all of its clients together.
_NAMES: Final = (f"http-process-proxy {os.getpid()} {number}" for number in count())

_FIELDS: Final = ["name", "exists", "ino", "size", "mtime_ns", "ctime_ns"]

Stamp = tuple[int, int, int]


class File(TypedDict):
    """A file as Watchman describes it; the numbers of one that does not exist are its last."""

    name: str
    exists: bool
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Answer(TypedDict, total=False):
    """A message of Watchman; one without files is of something else, such as a state.

    `synced` is in the answer to flush-subscriptions, behind what that made Watchman report.
    """

    version: str
    watch: str
    relative_path: str
    clock: str
    files: list[File]
    is_fresh_instance: bool
    canceled: bool
    warning: str
    synced: list[str]


class CanceledError(Exception):
    """The subscription does not serve any more; most often, the root is gone: watch it again."""


class Stamps:
    """What the files that count were when they last changed."""

    def __init__(self) -> None:
        self._stamps: dict[str, tuple[Stamp, int]] = {}

    def replace(self, files: Sequence[File]) -> None:
        self._stamps = {file["name"]: _stamp(file) for file in files if file["exists"]}

    def is_change(self, file: File) -> bool:
        """Take note of a file that something happened to: did its content change?

        It did not if only the time of the last change of the inode is another. If that is the
        same too, two writes fell into one tick of the clock.
        """
        name = file["name"]
        if not file["exists"]:
            # Without a stamp it came and went, and may have been a folder: nobody can tell.
            return self._stamps.pop(name, None) is not None
        before, now = self._stamps.get(name), _stamp(file)
        self._stamps[name] = now
        return before is None or before[0] != now[0] or before[1] == now[1]


def _send(connection: pywatchman.BserCodec, command: Sequence[object]) -> None:
    # The thread that receives will hear of a broken connection as well, and make another.
    # AttributeError: it has closed this one, whose transport has no socket then.
    with contextlib.suppress(pywatchman.WatchmanError, OSError, AttributeError):
        connection.send(command)


def _stamp(file: File) -> tuple[Stamp, int]:
    return (file["ino"], file["size"], file["mtime_ns"]), file["ctime_ns"]


class Watchman:
    """A worker for a thread, see `threads.Worker`, and a `Watcher`.

    `work` raises UserError if it cannot begin.
    """

    is_immediate = False

    def __init__(self, task: Task, why: str) -> None:
        """`task` is for a thread. Called on the event loop's."""
        self.description = f"Watchman: {why}"
        self._loop = asyncio.get_running_loop()
        # Used on the event loop's thread only. One flush is in flight: its answer, which has no
        # number, must not pass a fence that began after it.
        self._fences: list[asyncio.Future[None]] = []
        self._in_flight: list[asyncio.Future[None]] = []
        self._flush: Callable[[], None] | None = None  # while there is a connection
        self._why = why
        self._task = task
        self._name = next(_NAMES)
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._clock: str | None = None
        self._stamps = Stamps()
        self._retry_s = _FIRST_RETRY_S
        self._is_missed = False
        self._warned: set[str] = set()

    def work(self, ready: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                self._follow(ready)
            except (pywatchman.WatchmanError, OSError, CanceledError) as error:
                if self._stopping.is_set():
                    return
                if self._clock is None:
                    raise UserError(f"cannot watch with Watchman: {_reason(error)}") from None
                self._miss(error)
            self._stopping.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)

    def catch_up(self) -> bool:
        return True

    async def fence(self) -> None:
        """Let Watchman synchronise by a cookie file of its own, and report what it has seen."""
        passed: asyncio.Future[None] = self._loop.create_future()
        self._fences.append(passed)
        self._flush_if_idle()
        await passed

    def _flush_if_idle(self) -> None:
        self._fences = [fence for fence in self._fences if not fence.done()]
        if self._fences and not self._in_flight and self._flush is not None:
            self._in_flight, self._fences = self._fences, []
            self._flush()

    def _flush_by(self, flush: Callable[[], None] | None) -> None:
        """Another connection, or none: the answers of the last one will not come any more."""
        self._flush = flush
        self._fences, self._in_flight = self._in_flight + self._fences, []
        self._flush_if_idle()

    def _flushed(self) -> None:
        """The answer, behind all reports."""
        for fence in self._in_flight:
            if not fence.done():
                fence.set_result(None)
        self._in_flight = []
        self._flush_if_idle()

    def stop(self) -> None:
        self._stopping.set()
        if self._socket is not None:
            # Wakes the thread out of recv(), and fails if the thread closed the socket itself.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _follow(self, ready: Callable[[], None]) -> None:
        """One connection, from its beginning to its end, which is always an exception."""
        with pywatchman.client(timeout=_SETUP_S) as client:
            self._socket = client.tport.sock
            if self._stopping.is_set():
                return
            is_first = self._clock is None
            root = self._subscribe(client)
            self._is_back()
            if is_first:
                ready()
            client.setTimeout(None)
            try:
                self._receive(client, root)
            finally:
                self._loop.call_soon_threadsafe(self._flush_by, None)

    def _receive(self, client: pywatchman.client, root: str) -> None:
        command = ["flush-subscriptions", os.fsencode(root), {"sync_timeout": _SYNC_MS}]
        # Sent from the loop's thread: each thread has a direction of the socket for itself.
        flush = partial(_send, client.sendConn, command)
        self._loop.call_soon_threadsafe(self._flush_by, flush)
        while True:
            # With its root, or pywatchman keeps a second copy of all for ever.
            for answer in client.getSubscription(self._name, root=root) or ():
                self._take(answer)
            answer = client.receive()
            if "synced" in answer:
                self._loop.call_soon_threadsafe(self._flushed)

    def _subscribe(self, client: pywatchman.client) -> str:
        """Catch up with what happened since the last clock, subscribe, and return the root."""
        version = client.query("version")["version"]
        self.description = f"Watchman {version}: {self._why}"
        watched = client.query("watch-project", os.fsencode(self._task.root))
        self._warn(watched)
        root = os.fsencode(watched["watch"])
        query = {"expression": self._wanted(), "fields": _FIELDS}
        if "relative_path" in watched:
            query["relative_root"] = os.fsencode(watched["relative_path"])
        since = {} if self._clock is None else {"since": self._clock}
        self._take(client.query("query", root, query | since))
        client.query("subscribe", root, self._name, query | {"since": self._clock})
        return str(watched["watch"])

    def _wanted(self) -> list[object]:
        """Files, but for those in the folders of the root that are of no use: often, the most.

        Only for speed: `_take` asks the patterns about every file.
        """
        with os.scandir(self._task.root) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        may_contain = self._task.scope.may_contain
        useless = [os.fsencode(folder) for folder in folders if not may_contain(folder)]
        return ["not", ["anyof", ["type", "d"], *(["dirname", one] for one in useless)]]

    def _take(self, answer: Answer) -> None:
        self._warn(answer)
        if answer.get("canceled"):
            raise CanceledError("the directory is not watched any more")
        matches = self._task.scope.matches
        files = [file for file in answer.get("files", ()) if matches(file["name"])]
        if answer.get("is_fresh_instance"):
            self._stamps.replace(files)
            changed = frozenset({ANYTHING} if self._clock is not None else ())
        else:
            changed = frozenset([file["name"] for file in files if self._stamps.is_change(file)])
        self._clock = answer.get("clock", self._clock)
        if changed:
            self._task.changed(changed)
            if self._task.scope.renew(changed):
                raise CanceledError("other folders are of use now")

    def _warn(self, answer: Answer) -> None:
        """Pass a warning on, once: Watchman repeats it with every answer."""
        warning = " ".join(answer.get("warning", "").split())
        if warning and warning not in self._warned:
            self._warned.add(warning)
            self._task.say(f"Watchman: {warning}")

    def _miss(self, error: Exception) -> None:
        if not self._is_missed and not isinstance(error, CanceledError):
            self._is_missed = True
            self._task.say(f"Watchman: {_reason(error)}; changes are not seen until it is back")

    def _is_back(self) -> None:
        self._retry_s = _FIRST_RETRY_S
        if self._is_missed:
            self._is_missed = False
            self._task.say("Watchman is back")


def _reason(error: Exception) -> str:
    """The error in one line, without the command that met it."""
    return " ".join(str(error).partition(", while executing")[0].split())
