"""Start a generation of the backend, in a session of its own and without our descriptors.

posix_spawn, not fork: the cost does not grow with our memory, and none of our code runs in the
child. The session distinguishes the backend's processes from all others (tree.py).
"""

import contextlib
import errno
import os
import resource
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process.child import Child
from httpprocessproxy.process.folder import WorkingDirectory
from httpprocessproxy.process.inherited import INHERITED_FD
from httpprocessproxy.process.launch_spec import LaunchSpec
from httpprocessproxy.process.output import Output
from httpprocessproxy.process.terminal import Terminal, is_foreground
from httpprocessproxy.process.tree import ProcessTree

# The number of descriptors to try where the system does not list them; takes 0.5 ms.
_MOST_DESCRIPTORS = 4096

FileAction = tuple[int, int, int] | tuple[int, int, str, int, int]


class SpawnError(Exception):
    """The command could not be started; the text gives the reason, for the user."""


def seal_descriptors() -> None:
    """Set close-on-exec on all inherited descriptors beyond 0 to 2. Call once, at the start.

    Python sets it on the descriptors that it opens. A missing 0, 1 or 2 is opened on /dev/null, so
    that none of our pipes gets that number and becomes a standard stream of the backend.
    """
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        os.set_inheritable(fd, True)
        fd = os.dup(fd)
    os.close(fd)
    for number in _open_descriptors():
        if number > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)


def _open_descriptors() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except OSError:  # /dev/fd is a link to /proc, which may be missing
        return range(min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _MOST_DESCRIPTORS))


class RecordedCommand(Protocol):
    """A command that runs the backend and records its imports."""

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def file_actions(self) -> list[FileAction]: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it needs besides those of the launch specification."""


class WarmStarter(Protocol):
    """A source of warm starts (`--preload`): may hold a process ready to become the backend."""

    async def fork(self, stdio: tuple[int, int, int], terminal: str) -> int | None:
        """Start the backend in a forked child, and return its pid; None for a cold start.

        The child is registered in the process tree of the service.

        `stdio` becomes its descriptors 0 to 2. They are open on `terminal`, its controlling
        terminal, unless that is "". Raises UserError.
        """

    def listen(self) -> "RecordedCommand | None":
        """A command for a cold start that records the imports. Raises UserError and OSError."""

    def give_up(self, why: str) -> None:
        """Make all starts cold from now on."""


class Launcher:
    """Starts the generations of a backend by its launch specification."""

    def __init__(
        self,
        launch_spec: LaunchSpec,
        output: Output,
        tree: ProcessTree,
        terminal: Terminal | None = None,
        warm_starter: WarmStarter | None = None,
    ) -> None:
        self.launch_spec = launch_spec
        self.tree = tree
        self.output = output
        self._terminal = terminal
        self._warm_starter = warm_starter
        self._folder = WorkingDirectory(launch_spec.context.folder)
        if terminal is None:
            # Python buffers 8 KiB of output to a pipe, and SIGKILL discards them.
            launch_spec.defaults["PYTHONUNBUFFERED"] = "1"

    def beside(self, name: str, command: tuple[str, ...]) -> "Launcher":
        """A launcher of another command of the service, which may run beside its server.

        Its processes have a tree and an output of their own.
        """
        spec = self.launch_spec.for_command(command)
        return Launcher(spec, self.output.beside(), self.tree.beside(name))

    async def start(self) -> Child:
        """Start the next generation, warm if that is possible at once, else by `spawn`.

        Raises SpawnError.
        """
        if self._warm_starter is not None:
            try:
                if self._folder.enter():
                    self.give_up_warm_starts("the working directory was made again")
                fork = self._fork_with_pipes if self._terminal is None else self._fork_with_pty
                if (pid := await fork(self._warm_starter)) is not None:
                    return Child(pid, self.output, self.tree, is_warm=True)
            except (OSError, UserError):
                pass  # `spawn` fails the same way, and raises SpawnError
        return self.spawn()

    def give_up_warm_starts(self, why: str) -> None:
        """Make all starts cold from now on."""
        assert self._warm_starter is not None, "there were warm starts"
        self._warm_starter.give_up(why)

    def spawn(self) -> Child:
        """Start the next generation cold, and copy its output. Needs a running event loop.

        Does not stop the previous generation: see `Child.stop`. Raises SpawnError.
        """
        try:
            if self._terminal is None:
                pid = self._spawn_with_pipes()
            else:
                pid = self._spawn_with_pty(self._terminal)
        except OSError as error:
            self.output.begin_nothing()
            name = self.launch_spec.words[0]
            raise SpawnError(f"cannot start {name!r}: {_why(error, name)}") from error
        except UserError as error:
            self.output.begin_nothing()
            raise SpawnError(str(error)) from error
        return Child(pid, self.output, self.tree)

    async def _fork_with_pipes(self, warm_starter: WarmStarter) -> int | None:
        with contextlib.ExitStack() as parent_fds, contextlib.ExitStack() as child_fds:
            stdin = 0
            if _is_background_of_terminal():
                stdin = os.open(os.devnull, os.O_RDONLY)
                child_fds.callback(os.close, stdin)
            fds = [*os.pipe(), *os.pipe()]
            for stack, fd in zip((parent_fds, child_fds, parent_fds, child_fds), fds, strict=True):
                stack.callback(os.close, fd)
            pid = await warm_starter.fork((stdin, fds[1], fds[3]), "")
            if pid is None:
                return None
            parent_fds.pop_all()
        self.output.begin_pipes(fds[0], fds[2])
        return pid

    async def _fork_with_pty(self, warm_starter: WarmStarter) -> int | None:
        assert self._terminal is not None, "`start` checks it"
        master_fd, slave_fd = self._terminal.open(self.output)
        with contextlib.ExitStack() as parent_fds:
            parent_fds.callback(os.close, master_fd)
            parent_fds.callback(os.close, slave_fd)
            pid = await warm_starter.fork((slave_fd, slave_fd, slave_fd), os.ttyname(slave_fd))
            if pid is None:
                return None
            parent_fds.pop_all()
        self.output.begin_pty(master_fd, slave_fd)
        return pid

    def _spawn_with_pipes(self) -> int:
        actions: list[FileAction] = []
        if not self.launch_spec.has_input or _is_background_of_terminal():
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        with contextlib.ExitStack() as parent_fds, contextlib.ExitStack() as child_fds:
            read_fds = []
            for number in (1, 2):
                read_fd, write_fd = os.pipe()
                parent_fds.callback(os.close, read_fd)
                child_fds.callback(os.close, write_fd)
                read_fds.append(read_fd)
                actions.append((os.POSIX_SPAWN_DUP2, write_fd, number))
            pid = self._spawn(actions)
            parent_fds.pop_all()
        self.output.begin_pipes(*read_fds)
        return pid

    def _spawn_with_pty(self, terminal: Terminal) -> int:
        master_fd, slave_fd = terminal.open(self.output)
        with contextlib.ExitStack() as parent_fds:
            parent_fds.callback(os.close, master_fd)
            parent_fds.callback(os.close, slave_fd)
            # The first terminal that a session leader opens becomes its controlling terminal.
            first = (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave_fd), os.O_RDWR, 0)
            duplicates = [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
            pid = self._spawn([first, *duplicates])
            parent_fds.pop_all()
        self.output.begin_pty(master_fd, slave_fd)
        return pid

    def _spawn(self, actions: Sequence[FileAction]) -> int:
        self._folder.enter()
        launch_spec = self.launch_spec
        launch_spec.check_folder()
        socket_actions: list[FileAction] = []
        if launch_spec.inherited is not None:
            # The last action, because it may overwrite a descriptor that an earlier one duplicates.
            socket_actions.append((os.POSIX_SPAWN_DUP2, launch_spec.inherited.fd, INHERITED_FD))
        recorded = self._warm_starter.listen() if self._warm_starter is not None else None
        recording_actions = recorded.file_actions if recorded is not None else ()
        words = launch_spec.executed(recorded.words if recorded is not None else launch_spec.words)
        more = recorded.environment if recorded is not None else {}
        environment = {**launch_spec.environment(), **more, **self.tree.environment}
        if words != launch_spec.words:
            _check_command(launch_spec.words[0], launch_spec.folder, environment)

        def start() -> int:
            return os.posix_spawnp(
                words[0],
                words,
                environment,
                file_actions=[*actions, *recording_actions, *socket_actions],
                setsid=True,
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
                setsigmask=(),
            )

        return self.tree.spawn(start)


def _is_background_of_terminal() -> bool:
    """Whether stdin is a terminal that the backend must not read: we are a background job there.

    In a session of its own, the backend would not be stopped by SIGTTIN: it would read the input
    of the shell.
    """
    return os.isatty(0) and not is_foreground(0)


def _why(error: OSError, name: str) -> str:
    why = error.strerror or str(error)
    path = shutil.which(name)
    if path is None or error.filename != name:
        return why
    if isinstance(error, FileNotFoundError):
        return f"{why}: the interpreter in the first line of {path}"
    if error.errno == errno.ENOEXEC:
        return f"{why}: {path} is not a program and has no #! line"
    return why


def _check_command(name: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Raise the OSError that posix_spawnp would raise: a shell or Python in between does start."""
    path = folder / name if os.path.dirname(name) else name
    if shutil.which(path, path=environment.get("PATH")) is None:
        number = errno.EACCES if os.path.exists(folder / name) else errno.ENOENT
        raise OSError(number, os.strerror(number), name)
