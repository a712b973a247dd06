"""The fork server: it holds a standby process, which becomes the program on request."""

from __future__ import annotations

import gc
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypedDict

    from httpprocessproxy.warm.inside.preloading import PreloadRun
    from httpprocessproxy.warm.inside.recording import package_folders, record
    from httpprocessproxy.warm.inside.running import (
        CONTROL_FD,
        SOURCE_FD,
        Command,
        first_path,
        set_arguments,
        set_path,
    )

    class Given(TypedDict):
        command: Command
        environment: dict[str, str]
        modules: list[str]
        foreign: list[str]
        paths: list[str]

    class ForkRequest(TypedDict):
        command: Command
        environment: dict[str, str]
        terminal: str
        numbers: list[int]
        pid_variables: list[str]
        printed: list[bytes]


HEADER_BYTES = 16
MAX_FDS = 64


class ForkingServer:
    """The end of the socket in the fork server and in its standby processes."""

    def __init__(self) -> None:
        path = list(sys.path)
        # The project may have a fcntl.py: import from the standard library only.
        folders = tuple(package_folders())
        sys.path[:] = [entry for entry in path if os.path.realpath(entry).startswith(folders)]
        import _socket
        import fcntl

        sys.path[:] = path
        self.fcntl, self.socket = fcntl, _socket
        self.connection = _socket.socket(fileno=CONTROL_FD)
        os.set_inheritable(CONTROL_FD, False)

    def serve(self, given: Given) -> Command:
        """Preload, and fork for ever. Returns in a fork that is to run the program."""
        if sys.version_info < (3, 9) and sys.flags.dev_mode:
            # `python3.8 -X dev -c "import os; os.fork()"` ends in a corrupt memory block.
            self.fail("Python 3.8 does not survive a fork with -X dev")
        set_path(given["command"])
        set_arguments(given["command"])
        self.first_path = first_path(given["command"])
        self.preload = PreloadRun(given["foreign"], given["paths"], self.send)
        self.end_with_the_proxy(True)
        self.preload.run(given["modules"])
        self.end_with_the_proxy(False)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.changes = changes(given["environment"])
        gc.collect()
        # Memory pages that no collection touches stay shared with the forks.
        gc.freeze()
        self.send("ready")
        while not self.is_fork():
            pass
        return self.become_or_end()

    def send(self, *fields: str) -> None:
        # A long reason is cut to fit into a log line and the socket's buffer.
        line = "\t".join(" ".join(field.split())[:500] for field in fields) + "\n"
        self.connection.sendall(line.encode("utf-8", "replace"))

    def end_with_the_proxy(self, on: bool) -> None:
        """End by a signal (SIGIO) when the socket is closed: imports do not read it."""
        self.fcntl.fcntl(CONTROL_FD, self.fcntl.F_SETOWN, os.getpid())
        flags = self.fcntl.fcntl(CONTROL_FD, self.fcntl.F_GETFL)
        flags = flags | os.O_ASYNC if on else flags & ~os.O_ASYNC
        self.fcntl.fcntl(CONTROL_FD, self.fcntl.F_SETFL, flags)
        self.end_if_closed()

    def end_if_closed(self) -> None:
        try:
            flags = self.socket.MSG_PEEK | self.socket.MSG_DONTWAIT
            if not self.connection.recv(1, flags):
                os._exit(0)
        except BlockingIOError:
            pass

    def is_fork(self) -> bool:
        """Hold a standby process until a start takes it; return True in that process.

        It is forked ahead of time, and twice, so that the proxy inherits it.
        """
        self.taken_fd, write_fd = os.pipe()
        server = os.getpid()
        try:
            os.fork()
        except Warning:
            pass  # 3.12 and later warn of threads; -W may make that an error
        except OSError as error:
            self.fail(f"cannot fork: {error.strerror}")
        if os.getpid() != server:
            os.close(self.taken_fd)
            self.taken_fd = write_fd
            fork_and_end()
            os.write(self.taken_fd, b"%d" % os.getpid())
            return True
        os.close(write_fd)
        os.waitpid(-1, 0)
        self.watch()
        os.close(self.taken_fd)
        return False

    def watch(self) -> None:
        """Report the standby process, and wait until it is taken."""
        pid = os.read(self.taken_fd, 20)
        if not pid:
            self.fail("cannot fork")
        self.send("standby", pid.decode())
        if not os.read(self.taken_fd, 1):
            self.end_if_closed()
            self.fail("the process in readiness has ended")

    def fail(self, why: str) -> NoReturn:
        self.send("failed", why)
        os._exit(1)

    def become_or_end(self) -> Command:
        request, fds = self.receive()
        os.write(self.taken_fd, b"1")
        os.close(self.taken_fd)
        try:
            self.become(request, fds)
        except Exception as error:  # noqa: BLE001 - any failure leads to a cold start
            self.send("refused", str(error))
            os._exit(1)
        self.send("running", str(os.getpid()))
        self.connection.close()
        # From here on it may block, like any program that prints.
        for number, text in enumerate(request["printed"], 1):
            os.write(number, text)
        if SOURCE_FD in request["numbers"]:
            record(SOURCE_FD)
        return request["command"]

    def receive(self) -> tuple[ForkRequest, list[int]]:
        space = self.socket.CMSG_SPACE(4 * MAX_FDS)
        header, ancillary, _, _ = self.connection.recvmsg(HEADER_BYTES, space)
        if len(header) < HEADER_BYTES:
            os._exit(0)
        packed = b"".join(data for _, _, data in ancillary)
        places = range(0, len(packed), 4)
        fds = [int.from_bytes(packed[place : place + 4], sys.byteorder) for place in places]
        body = b""
        while len(body) < int(header):
            piece = self.connection.recv(int(header) - len(body))
            if not piece:
                os._exit(0)
            body += piece
        request: ForkRequest = marshal.loads(body)
        return request, fds

    def become(self, request: ForkRequest, fds: list[int]) -> None:
        """Become the requested process. Raises any Exception, with a text for the user."""
        if first_path(request["command"]) != self.first_path:
            raise LookupError("the program is elsewhere now")
        hidden = self.preload.hidden()
        if hidden:
            raise LookupError(f"the project has a module {hidden} now")
        set_arguments(request["command"])
        os.setsid()
        take_descriptors(request["terminal"], fds, request["numbers"])
        take_environment(request["environment"], self.changes, request["pid_variables"])
        self.preload.refresh()


def fork_and_end() -> None:
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        os._exit(1)


def take_descriptors(terminal: str, fds: list[int], numbers: list[int]) -> None:
    if terminal:
        # The first terminal that a session leader opens is its controlling one.
        fds = [os.open(terminal, os.O_RDWR)] * 3 + fds
    # Move all out of the way first: a given descriptor may have a wanted number.
    aside = [os.dup2(fd, SOURCE_FD + place, False) for place, fd in enumerate(fds)]
    for fd in set(fds):
        os.close(fd)
    for fd, number in zip(aside, [0, 1, 2, *numbers]):  # noqa: B905 - `strict` came with 3.10
        os.dup2(fd, number)
        os.close(fd)
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.write_through:
            always = stream is sys.__stderr__ and sys.version_info >= (3, 9)
            stream.reconfigure(line_buffering=always or stream.isatty())


def changes(environment: dict[str, str]) -> dict[str, str | None]:
    """Variables that the interpreter (LC_CTYPE), sitecustomize or modules have changed."""
    names = [*os.environ, *environment]
    now = {name: os.environ.get(name) for name in dict.fromkeys(names)}
    return {name: value for name, value in now.items() if value != environment.get(name)}


def take_environment(
    environment: dict[str, str], changes: dict[str, str | None], pid_variables: list[str]
) -> None:
    for name in pid_variables:
        environment[name] = str(os.getpid())
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    if list(os.environ.items()) != list(environment.items()):
        os.environ.clear()
        os.environ.update(environment)
