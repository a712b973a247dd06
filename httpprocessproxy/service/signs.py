"""Signs of readiness besides an answer at the port: a line, a command, a notification, the start.

A `Sign` belongs to a service, and serves one generation after another: `expect` begins with the
next one, and `shown` waits until it is ready.
"""

import asyncio
import contextlib
import shlex
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.process import Child, Launcher, SpawnError
from httpprocessproxy.service.diagnosis import last_line
from httpprocessproxy.service.readiness import pause
from httpprocessproxy.system.event_loop import call_from_thread
from httpprocessproxy.system.private_folders import private_folder

# The environment variable of sd_notify(3), and the largest message that is read.
NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
_MESSAGE_BYTES: Final = 4096

# A check that hangs is ended, and repeated.
COMMAND_TIMEOUT_S: Final = 10.0

# A check runs many times, and says each time that the server is not ready.
_SILENTLY: Final = ("sh", "-c", 'exec "$@" > /dev/null 2>&1', "sh")


class Sign(Protocol):
    """The sign that a service is ready."""

    def open(self) -> AbstractContextManager[None]:
        """Hold what the sign needs for as long as the service is supervised."""

    def expect(self) -> None:
        """Prepare for the next generation, which has not been started."""

    async def shown(self) -> None:
        """Wait without a time limit until the generation is ready."""

    def missing(self) -> str:
        """The sign that has not been seen, in a sentence for the user."""


def sign_of(config: ServiceConfig, launcher: Launcher) -> Sign:
    """The sign of a service; without another one, it is ready when its process has started."""
    readiness = config.readiness
    match readiness.kind:
        case "log":
            return LogLine(launcher, readiness.text)
        case "exec":
            return ReadyCommand(launcher, readiness.command)
        case "notify":
            return Notification(launcher)
        case _:
            return ProcessStarted()


class ProcessStarted:
    """The start itself."""

    def open(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def expect(self) -> None:
        pass

    async def shown(self) -> None:
        pass

    def missing(self) -> str:
        return "it has not started"


class LogLine:
    """A line of the output that contains a text."""

    def __init__(self, launcher: Launcher, text: str) -> None:
        self._output = launcher.output
        self._text = text
        self._found = asyncio.Event()

    def open(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def expect(self) -> None:
        loop, found = asyncio.get_running_loop(), asyncio.Event()
        self._found = found
        self._output.expect_line(self._text, lambda: call_from_thread(loop, found.set))

    async def shown(self) -> None:
        await self._found.wait()

    def missing(self) -> str:
        last = last_line(self._output.tail)
        end = f", its last output: {last}" if last else ""
        return f"no line of the output contains {self._text!r} yet{end}"


class ReadyCommand:
    """A command that exits with 0."""

    def __init__(
        self, launcher: Launcher, command: tuple[str, ...], timeout_s: float = COMMAND_TIMEOUT_S
    ) -> None:
        self._server = launcher
        self._command = (*_SILENTLY, *command)
        self._name = shlex.join(command)
        self._launcher = launcher.beside("ready", self._command)
        self._timeout_s = timeout_s
        self._last = "has not run"

    def open(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def expect(self) -> None:
        self._launcher.launch_spec = self._server.launch_spec.for_command(self._command)

    async def shown(self) -> None:
        """Repeat the command; at the end, none of its processes is left."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while not await self._succeeds():
                await pause(began)
        finally:
            await self._launcher.tree.sweep()

    def missing(self) -> str:
        return f"`{self._name}` {self._last}"

    async def _succeeds(self) -> bool:
        try:
            child = self._launcher.spawn()
        except SpawnError as error:
            self._last = f"cannot be started: {error}"
            return False
        child.ends_group = True
        try:
            async with asyncio.timeout(self._timeout_s):
                code = await child.wait()
        except TimeoutError:
            self._last = f"takes longer than {self._timeout_s:g} s"
            return False
        finally:
            await _ended(child)
        self._last = f"exits with {code}"
        return code == 0


async def _ended(child: Child) -> None:
    """Return once the child has ended."""
    if child.is_running:
        await child.stop()


class Notification:
    """READY=1 on a socket that the processes of the service know by NOTIFY_SOCKET: sd_notify(3)."""

    def __init__(self, launcher: Launcher) -> None:
        self._tree = launcher.tree
        self._socket: socket.socket
        self._came = asyncio.Event()

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Listen in a folder that only this user may enter."""
        with private_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            path = str(folder / "notify")
            sock.bind(path)
            sock.setblocking(False)
            self._socket = sock
            self._tree.variables[NOTIFY_SOCKET] = path
            loop = asyncio.get_running_loop()
            loop.add_reader(sock, self._read)
            try:
                yield
            finally:
                loop.remove_reader(sock)

    def expect(self) -> None:
        self._read()  # messages of an earlier generation
        self._came = asyncio.Event()

    async def shown(self) -> None:
        await self._came.wait()

    def missing(self) -> str:
        return f"READY=1 has not come on {NOTIFY_SOCKET}"

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                message = self._socket.recv(_MESSAGE_BYTES)
                if b"READY=1" in message.splitlines():
                    self._came.set()
