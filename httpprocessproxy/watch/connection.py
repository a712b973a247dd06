"""A connection to Watchman, with pywatchman's codec and a timeout on every wait.

Any thread may `ask`; one thread reads, in `query` and `listen`. Watchman answers the commands of a
connection in order, and sends subscription reports in between. After SILENCE_S seconds without a
message the connection asks for Watchman's version: a process that does not answer hangs (SIGSTOP,
a dead disk), and would report nothing.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final, TypedDict

import pywatchman
from pywatchman import bser

# Timeout of answers from memory, and of Watchman's start.
ANSWER_S = 5.0
# Silence after which the connection asks for the version, as a sign of life.
SILENCE_S = 2.0


class File(TypedDict):
    """A file as Watchman describes it; a deleted file has its last known numbers.

    `new`: the file did not exist at the previous clock.
    """

    name: str
    exists: bool
    new: bool
    type: str
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


class WatchmanAnswer(TypedDict, total=False):
    """A message from Watchman; one without `files` reports something else, such as a state."""

    version: str
    watch: str
    relative_path: str
    roots: list[str]
    subscribers: list[object]
    triggers: list[object]
    clock: str
    files: list[File]
    is_fresh_instance: bool
    canceled: bool
    warning: str
    error: str
    unilateral: bool


class MuteError(Exception):
    """Watchman is running but does not answer."""


# Errors of Watchman or of another program by that name: refusal, lost connection, wrong protocol.
FAILURES: Final = (pywatchman.WatchmanError, OSError, ValueError, TypeError, LookupError)


class WatchmanConnection:
    """An open connection. The constructor and all methods raise MuteError or one of FAILURES."""

    def __init__(self, stopping: "Wake") -> None:
        self._stopping = stopping
        self._heeds_stop = True
        self._is_closed = False
        self._lock = threading.Lock()
        self._pending: deque[tuple[float, Future[WatchmanAnswer]]] = deque()
        self._reports: deque[WatchmanAnswer] = deque()
        path = os.environ.get("WATCHMAN_SOCK") or _socket_of_program(stopping)
        self._client = pywatchman.client(sockpath=path, timeout=ANSWER_S)
        try:
            self._client.__enter__()
        except pywatchman.SocketTimeout:
            raise MuteError(f"does not answer within {ANSWER_S:g} s") from None
        self._socket: socket.socket = self._client.tport.sock

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._client.close()
        while self._pending:
            _, future = self._pending.popleft()
            future.set_exception(ConnectionResetError("the connection to Watchman is closed"))

    def ignore_stop(self) -> None:
        """Keep waiting for answers although the worker has been stopped."""
        self._heeds_stop = False

    def ask(self, *command: object) -> "Future[WatchmanAnswer]":
        """Send a command; `listen` resolves the future, with ConnectionError if it is closed.

        All reports before the answer have been yielded by then.
        """
        future: Future[WatchmanAnswer] = Future()
        with self._lock:
            if self._is_closed:
                raise ConnectionResetError("the connection to Watchman is closed")
            self._pending.append((time.monotonic(), future))
            self._client.sendConn.send(command)
        return future

    def query(self, *command: object, within_s: float = ANSWER_S) -> WatchmanAnswer:
        """Send a command and wait for its answer; only for the thread that listens."""
        deadline = time.monotonic() + within_s
        future = self.ask(*command)
        while not future.done():
            if not self._has_message(max(0.0, deadline - time.monotonic())):
                raise MuteError(f"does not answer within {within_s:g} s")
            if self._heeds_stop and self._stopping.is_set:
                raise MuteError("was not waited for")
            self._receive()
        return future.result()

    def listen(self) -> Iterator[WatchmanAnswer]:
        """Yield the reports of subscriptions until the worker is stopped."""
        while not self._stopping.is_set:
            while self._reports:
                yield self._reports.popleft()
            if self._has_message(SILENCE_S):
                if not self._stopping.is_set:
                    self._receive()
            else:
                self._check_alive()

    def _check_alive(self) -> None:
        if not self._pending:
            self.ask("version")
        elif time.monotonic() - self._pending[0][0] > ANSWER_S:
            raise MuteError(f"does not answer within {ANSWER_S:g} s")

    def _has_message(self, timeout_s: float) -> bool:
        """Wait for a message or for the stop; return False after `timeout_s` seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if self._heeds_stop:
            poll.register(self._stopping.descriptor, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def _receive(self) -> None:
        try:
            message: WatchmanAnswer = self._client.recvConn.receive()
        except pywatchman.SocketTimeout:
            raise MuteError("stopped within an answer") from None
        if self._client.isUnilateralResponse(message):
            self._reports.append(message)
            return
        with self._lock:
            _, future = self._pending.popleft()
        if future.cancelled():
            return
        if "error" in message:
            future.set_exception(pywatchman.CommandError(message["error"]))
        else:
            future.set_result(message)


class Wake:
    """A flag with a descriptor, so that a thread can poll it together with a socket."""

    def __init__(self) -> None:
        self.is_set = False
        self.descriptor, self._other = socket.socketpair()

    def set(self) -> None:
        self.is_set = True
        with contextlib.suppress(OSError):  # closed, or its buffer is full
            self._other.send(b"\0", socket.MSG_DONTWAIT)

    def close(self) -> None:
        self.is_set = True
        self.descriptor.close()
        self._other.close()

    def wait(self, timeout_s: float) -> None:
        if not self.is_set:
            select.select([self.descriptor], [], [], timeout_s)


def _socket_of_program(stopping: Wake) -> str:
    """Run `watchman get-sockname`, as pywatchman does, with a timeout. Starts the daemon."""
    command = ["watchman", "--output-encoding=bser", "get-sockname"]
    # Its own process group: children may hold the pipe open after its end. The daemon that it
    # starts has another group, and survives.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            printed = _read(process, stopping)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise pywatchman.WatchmanError(f"watchman exited with code {process.returncode}")
    found = _decoded(printed)
    if "error" in found:
        raise pywatchman.WatchmanError(f"get-sockname: {found['error']!r}")
    path = found.get("unix_domain") or found.get("sockname")
    if not isinstance(path, bytes):
        raise pywatchman.WatchmanError("get-sockname names no socket")
    return os.fsdecode(path)


def _read(process: "subprocess.Popen[bytes]", stopping: Wake) -> bytes:
    assert process.stdout is not None, "it is a pipe"
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    poll.register(stopping.descriptor, select.POLLIN)
    deadline = time.monotonic() + ANSWER_S
    printed = b""
    while True:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready or stopping.is_set:
            raise MuteError(f"does not print the path of its socket within {ANSWER_S:g} s")
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            return printed
        printed += chunk


def _decoded(printed: bytes) -> dict[str, object]:
    try:
        found = bser.loads(printed)
    except (ValueError, TypeError, IndexError):
        found = None
    if not isinstance(found, dict):
        raise pywatchman.WatchmanError(f"the program watchman printed {printed[:40]!r}")
    return found
