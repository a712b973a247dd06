"""One process of the fork server, and the process that it holds in readiness.

It speaks in lines: `left NAME WHY` and `unfit NAME WHY` while it imports, then `ready`, then
`standby PID` for each process in readiness, and that process `running PID` or `refused WHY`.
What it is told is marshalled, with descriptors beside it: see inside/serving.py.
"""

import asyncio
import contextlib
import marshal
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Final

from httpprocessproxy.warm.bootstrap import CONTROL_FD, SOURCE_FD, TO_SERVE, source, stub
from httpprocessproxy.warm.captured_output import CapturedOutput
from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.watched_process import WatchedProcess

# What inside/serving.py calls one.
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
    """Made in a running event loop, it runs until `give_up`. `on_change`: look at it again.

    `end` says why it is of no use any more, `unfit` that it is for a module, and which.
    `left_alone` are the modules that it could not import, and why.
    """

    def __init__(
        self,
        command: PythonCommand,
        environment: Mapping[str, str],
        given: Request,
        on_change: Callable[[], None],
    ) -> None:
        """Start it. Raises OSError."""
        self.end = ""
        self.unfit = ""
        self.left_alone: dict[str, str] = {}
        self._standby: WatchedProcess | None = None
        self._has_been_ready = False
        self._next = asyncio.Event()
        self._asked: WatchedProcess | None = None
        self._loop = asyncio.get_running_loop()
        self._on_change = on_change
        self._answer: asyncio.Future[tuple[str, str]] | None = None
        self._rest = b""
        pid = self._start(command, environment, given)
        self._process = WatchedProcess(pid, self._read_all, self._on_process_end)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._read)

    def _start(self, command: PythonCommand, environment: Mapping[str, str], given: Request) -> int:
        text = f"ForkingServer().serve({ {'command': command.inside, **given}!a})"
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            self._socket, control = socket.socketpair()
            ours.callback(self._socket.close)
            theirs.callback(control.close)
            source_fd = theirs.enter_context(source(TO_SERVE, text))
            # A pipe without a writer: a stream remembers whether what it was opened on can seek.
            stdin_fd, unused_fd = os.pipe()
            theirs.callback(os.close, stdin_fd)
            os.close(unused_fd)
            self._printed = (CapturedOutput(), CapturedOutput())
            for stream in self._printed:
                theirs.callback(stream.begin)
                ours.callback(stream.close)
            out_fd, err_fd = (stream.write_fd for stream in self._printed)
            fds = {0: stdin_fd, 1: out_fd, 2: err_fd, CONTROL_FD: control.fileno()}
            pid = _spawn(command.start(stub(_TOO_OLD)), environment, {**fds, SOURCE_FD: source_fd})
            ours.pop_all()
        return pid

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked. The next process is there some milliseconds after the last."""
        return self._has_been_ready and not self.end and self._answer is None

    @property
    def pids(self) -> list[int]:
        """Of the processes that it consists of."""
        return [process.pid for process in self._processes]

    async def fork(self, request: Request, fds: list[int]) -> tuple[int, str]:
        """Ask the process in readiness; return its number, or 0 and why it will not.

        Cancelled, it leaves a socket on which nobody knows what comes next: then give up. Raises
        OSError.
        """
        asked = await self._next_standby()
        if asked is None:
            return 0, self.end
        self._asked, self._standby = asked, None
        self._answer = self._loop.create_future()
        body = marshal.dumps(request, 2)
        said = ""
        try:
            # What was sent before has been read: the header fits as a whole.
            socket.send_fds(self._socket, [b"%-16d" % len(body)], fds)
            await self._loop.sock_sendall(self._socket, body)
            said, text = await self._answer
        finally:
            self._answer = None
            if said != "running":
                asked.kill()
        if said != "running":
            return 0, text
        self._asked = None
        asked.hand_over()
        return asked.pid, ""

    async def _next_standby(self) -> WatchedProcess | None:
        while self._standby is None and not self.end:
            self._next.clear()
            await self._next.wait()
        return None if self.end else self._standby

    def give_up(self, why: str) -> None:
        """End all of it but those that it forked already."""
        for process in self._processes:
            if not process.is_spared:  # what says that it runs is its owner's already
                process.kill()
        if self.end:
            return
        self.end = why
        self._next.set()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for stream in self._printed:
            stream.close()
        self._reply("ended", why)
        self._on_change()

    async def asked_is_gone(self) -> None:
        """Wait until the process that was asked last, and is not ours to have, is gone."""
        if self._asked is not None:
            await self._asked.gone.wait()

    async def gone(self) -> None:
        """Wait until all of it is, after `give_up`."""
        for process in self._processes:
            await process.gone.wait()

    @property
    def _processes(self) -> list[WatchedProcess]:
        processes = (self._process, self._standby, self._asked)
        return [process for process in processes if process and not process.gone.is_set()]

    @property
    def printed(self) -> list[bytes]:
        """What the imports printed on stdout and on stderr."""
        return [stream.text for stream in self._printed]

    def _read(self) -> bool:
        """Read what there is, and return whether there may be more."""
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
            # The end of the process, which follows, says more.
            self._loop.remove_reader(self._socket)
        return bool(piece) and not self.end

    def _on_line(self, kind: str, fields: list[str]) -> None:
        if kind in ("left", "unfit"):
            name, self.left_alone[name] = fields
            self.unfit = name if kind == "unfit" else ""
        elif kind == "ready":
            for stream in self._printed:
                stream.end_of_imports()
        elif kind == "standby":
            self._standby = WatchedProcess(int(fields[0]), self._read_all, self._on_standby_end)
            self._has_been_ready = True
            self._next.set()
            self._on_change()
        elif kind == "failed":
            self.give_up(fields[0])
        else:
            if kind == "running" and self._asked is not None:
                self._asked.spare()
            self._reply(kind, fields[0])

    def _reply(self, kind: str, text: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((kind, text))

    def _read_all(self) -> None:
        while not self.end and self._read():
            pass

    def _on_standby_end(self, _: int) -> None:
        self._reply("ended", "the process in readiness has ended")

    def _on_process_end(self, returncode: int) -> None:
        if self.end:
            return  # known already, perhaps by its own last words
        if self.unfit:
            self.give_up(f"{self.unfit} {self.left_alone[self.unfit]}")
        elif returncode < 0:
            self.give_up(f"the fork server was ended by signal {-returncode}")
        else:
            for stream in self._printed:
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
