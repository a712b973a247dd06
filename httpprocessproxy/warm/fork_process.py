"""A fork server process, and its standby process, which becomes the next backend.

The process sends lines: `skipped NAME WHY` and `unforkable NAME WHY` while it imports, then
`ready`, then `standby PID` for each standby process, which sends `running PID` or `refused WHY`.
`failed WHY` ends the server. Fork requests are marshalled, with descriptors as ancillary data:
see inside/serving.py.
"""

import asyncio
import contextlib
import marshal
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Final

from httpprocessproxy.process import ProcessTree, in_folder
from httpprocessproxy.warm.bootstrap import CONTROL_FD, SOURCE_FD, TO_SERVE, source, stub
from httpprocessproxy.warm.captured_output import CapturedOutput
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.watched_process import WatchedProcess

# The `Given` and `ForkRequest` of inside/serving.py.
Request = dict[
    str,
    str
    | bool
    | tuple[str, str, list[str], list[str]]
    | dict[str, str]
    | list[str]
    | list[int]
    | list[bytes],
]

_TOO_OLD: Final = "raise SystemExit('warm starts need CPython 3.8 or later')"


class ForkServerProcess:
    """Created in a running event loop; it runs until `give_up`.

    `end` is the reason why it ended, or "". `unforkable` is the module that must not be preloaded
    if that ended it. `skipped` maps modules that it did not import to reasons.
    """

    def __init__(
        self,
        command: PythonCommand,
        environment: Mapping[str, str],
        given: Request,
        tree: ProcessTree,
        on_change: Callable[[], None],
    ) -> None:
        """Start it, and call `on_change` when it becomes ready or ends. Raises OSError.

        Its standby processes are registered in `tree` before they leave our session.
        """
        self.end = ""
        self.unforkable = ""
        self.skipped: dict[str, str] = {}
        self._standby: WatchedProcess | None = None
        self._has_been_ready = False
        self._next = asyncio.Event()
        self._taken: WatchedProcess | None = None
        self._loop = asyncio.get_running_loop()
        self._tree = tree
        self._on_change = on_change
        self._answer: asyncio.Future[tuple[str, str]] | None = None
        self._rest = b""
        pid = self._start(command, environment, given)
        self._process = WatchedProcess(pid, self._read_all, self._on_process_end)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._read)

    def _start(self, command: PythonCommand, environment: Mapping[str, str], given: Request) -> int:
        text = f"ForkingServer().serve({ {'command': command.inside, **given}!a})"
        with contextlib.ExitStack() as parent_fds, contextlib.ExitStack() as child_fds:
            self._socket, control = socket.socketpair()
            parent_fds.callback(self._socket.close)
            child_fds.callback(control.close)
            source_fd = child_fds.enter_context(source(TO_SERVE, text))
            # A pipe without a writer, because sys.stdin depends on whether its file can seek.
            stdin_fd, unused_fd = os.pipe()
            child_fds.callback(os.close, stdin_fd)
            os.close(unused_fd)
            self._captured = (CapturedOutput(), CapturedOutput())
            for stream in self._captured:
                child_fds.callback(stream.begin)
                parent_fds.callback(stream.close)
            out_fd, err_fd = (stream.write_fd for stream in self._captured)
            fds = {0: stdin_fd, 1: out_fd, 2: err_fd, CONTROL_FD: control.fileno()}
            words = in_folder(command.start(stub(_TOO_OLD)), command.folder)
            with self._tree.marking():
                pid = _spawn(words, environment, {**fds, SOURCE_FD: source_fd})
            parent_fds.pop_all()
        return pid

    @property
    def is_ready(self) -> bool:
        """Whether `fork` may be called; it may wait some milliseconds for the next standby."""
        return self._has_been_ready and not self.end and self._answer is None

    @property
    def pids(self) -> list[int]:
        """The pids of the server and of its standby process."""
        return [process.pid for process in self._processes]

    async def fork(self, request: Request, fds: list[int]) -> tuple[int, str]:
        """Make the standby process the backend; return its pid, or 0 and the reason of a refusal.

        After a cancellation the state of the socket is unknown: call `give_up`. Raises OSError.
        """
        taken = await self._next_standby()
        if taken is None:
            return 0, self.end
        self._taken, self._standby = taken, None
        self._answer = self._loop.create_future()
        body = marshal.dumps(request, 2)
        kind = ""
        try:
            # Earlier requests have been read, so the socket's buffer has room for the header.
            socket.send_fds(self._socket, [b"%-16d" % len(body)], fds)
            await self._loop.sock_sendall(self._socket, body)
            kind, text = await self._answer
        finally:
            self._answer = None
            if kind != "running":
                taken.kill()
        if kind != "running":
            return 0, text
        self._taken = None
        taken.hand_over()
        return taken.pid, ""

    async def _next_standby(self) -> WatchedProcess | None:
        while self._standby is None and not self.end:
            self._next.clear()
            await self._next.wait()
        return None if self.end else self._standby

    def give_up(self, why: str) -> None:
        """Kill the server and its standby process; processes handed over to callers go on."""
        for process in self._processes:
            if not process.is_spared:  # a process that reported `running` belongs to the caller
                process.kill()
        if self.end:
            return
        self.end = why
        self._next.set()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for stream in self._captured:
            stream.close()
        self._reply("ended", why)
        self._on_change()

    async def taken_is_gone(self) -> None:
        """Wait until the standby process of a failed `fork` is gone."""
        if self._taken is not None:
            await self._taken.gone.wait()

    async def gone(self) -> None:
        """Wait until all processes are gone, after `give_up`."""
        for process in self._processes:
            await process.gone.wait()

    @property
    def _processes(self) -> list[WatchedProcess]:
        processes = (self._process, self._standby, self._taken)
        return [process for process in processes if process and not process.gone.is_set()]

    @property
    def printed(self) -> list[bytes]:
        """The output of the imports, on stdout and on stderr."""
        return [stream.text for stream in self._captured]

    def _read(self) -> bool:
        """Handle the received lines, and return whether there may be more."""
        try:
            piece = self._socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            kind, *fields = line.decode(errors="replace").split("\t")
            self._on_line(kind, fields)
        if not piece:
            # The exit of the process follows, and gives the reason.
            self._loop.remove_reader(self._socket)
        return bool(piece) and not self.end

    def _on_line(self, kind: str, fields: list[str]) -> None:
        if kind in ("skipped", "unforkable"):
            name, self.skipped[name] = fields
            self.unforkable = name if kind == "unforkable" else ""
        elif kind == "ready":
            for stream in self._captured:
                stream.end_of_imports()
        elif kind == "standby":
            self._watch_standby(int(fields[0]))
            self._has_been_ready = True
            self._next.set()
            self._on_change()
        elif kind == "failed":
            self.give_up(fields[0])
        else:
            if kind == "running" and self._taken is not None:
                self._taken.spare()
            self._reply(kind, fields[0])

    def _reply(self, kind: str, text: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((kind, text))

    def _read_all(self) -> None:
        while not self.end and self._read():
            pass

    def _watch_standby(self, pid: int) -> None:
        def on_end(_: int) -> None:
            self._tree.release(pid)
            self._reply("ended", "the process in readiness has ended")

        self._tree.register(pid)
        self._standby = WatchedProcess(pid, self._read_all, on_end)

    def _on_process_end(self, returncode: int) -> None:
        if self.end:
            return  # given up already, perhaps after a `failed` line
        if self.unforkable:
            self.give_up(f"{self.unforkable} {self.skipped[self.unforkable]}")
        elif returncode < 0:
            self.give_up(f"the fork server was ended by signal {-returncode}")
        else:
            for stream in self._captured:
                stream.end_of_imports()
            last = self.printed[1].decode(errors="replace").strip().rpartition("\n")[2]
            self.give_up(last or f"the fork server exited with status {returncode}")


def _spawn(words: tuple[str, ...], environment: Mapping[str, str], fds: Mapping[int, int]) -> int:
    return os.posix_spawnp(
        words[0],
        words,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in fds.items()],
        setpgroup=0,
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        setsigmask=(),
    )
