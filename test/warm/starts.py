"""Cold, recorded and warm starts of a program, for comparison."""

import asyncio
import contextlib
import importlib.util
import os
import select
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from httpprocessproxy.process import ProcessTree, ProcessTrees
from httpprocessproxy.warm import ForkServer, ImportRecord, PythonCommand, Recording, Stdio
from test.deadline import PATIENCE_S
from test.warm.program import Program


@dataclass(frozen=True)
class Ending:
    """The output of a start, and its exit status or negative signal number."""

    stdout: str
    stderr: str
    returncode: int


@dataclass(frozen=True)
class Project:
    """A program in a folder, with its own virtual environment."""

    folder: Path
    python: Path
    program: Program

    @classmethod
    def make(cls, folder: Path, program: Program, base: str = "") -> "Project":
        """Create the environment and the files. `base` is the interpreter, by default our own."""
        if base:
            command = [base, "-m", "venv", "--without-pip", str(folder / "venv")]
            subprocess.run(command, check=True, timeout=PATIENCE_S)
        else:
            # Takes 10 ms without pip.
            venv.create(folder / "venv", symlinks=True, with_pip=False)
        project = cls(folder, folder / "venv" / "bin" / "python", program)
        project.write(program.files)
        return project

    def write(self, files: Mapping[str, str]) -> None:
        (installed,) = (self.folder / "venv" / "lib").glob("*/site-packages")
        for name, text in files.items():
            path = installed / name[5:] if name.startswith("site/") else self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            filled = text.replace("{project}", str(self.folder))
            path.write_text(filled.replace("{python}", str(self.python)))
            path.chmod(0o755)

    def install(self, package: str) -> None:
        """Copy a package of our own environment into the project's."""
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        (installed,) = (self.folder / "venv" / "lib").glob("*/site-packages")
        shutil.copytree(Path(found.origin).parent, installed / package)

    @property
    def words(self) -> list[str]:
        return [word.replace("{python}", str(self.python)) for word in self.program.words]

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": "/nowhere", **self.program.environment}

    @property
    def command(self) -> PythonCommand:
        command = PythonCommand.of(self.words, self.environment, self.folder)
        assert isinstance(command, PythonCommand), command
        return command

    def cold(self) -> Ending:
        done = subprocess.run(
            self.words,
            cwd=self.folder,
            env=self.environment,
            input=self.program.stdin,
            capture_output=True,
            encoding="latin-1",
            start_new_session=True,
            timeout=PATIENCE_S,
        )
        return Ending(done.stdout, done.stderr, done.returncode)

    def recorded(self) -> tuple[Ending, ImportRecord | None]:
        with Recording(self.command) as recording, pipes(self.program.stdin) as (fds, taken):
            pid = os.posix_spawn(
                recording.words[0],
                recording.words,
                self.environment,
                file_actions=[
                    *((os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)),
                    *recording.file_actions,
                ],
                setsid=True,
            )
            return taken(pid), recording.read()

    async def warm(self, server: ForkServer) -> Ending:
        async with asyncio.timeout(PATIENCE_S):
            await server.ready()
        with pipes(self.program.stdin) as (fds, taken):
            stdio = Stdio(*fds)
            pid = await server.fork(self.command, self.environment, stdio, timeout_s=PATIENCE_S)
            return await asyncio.to_thread(taken, pid)


def new_tree() -> ProcessTree:
    """The process tree of a program's only service."""
    return ProcessTrees().add("web")


@contextlib.contextmanager
def pipes(stdin: str) -> Iterator[tuple[tuple[int, int, int], Callable[[int], Ending]]]:
    """Yield three descriptors for a process, and a function that waits for its `Ending`."""
    (stdin_fd, feed_fd), (out_fd, stdout_fd), (err_fd, stderr_fd) = (os.pipe() for _ in range(3))
    os.write(feed_fd, stdin.encode())
    os.close(feed_fd)

    def taken(pid: int) -> Ending:
        returncode = ending_of(pid)
        return Ending(_all(out_fd), _all(err_fd), returncode)

    try:
        yield (stdin_fd, stdout_fd, stderr_fd), taken
    finally:
        for fd in (stdin_fd, out_fd, stdout_fd, err_fd, stderr_fd):
            os.close(fd)


def ending_of(pid: int) -> int:
    """Wait for a child process, reap it, and return its exit status or negative signal number."""
    pidfd = os.pidfd_open(pid)
    try:
        assert select.select([pidfd], [], [], PATIENCE_S)[0], f"{pid} goes on"
    finally:
        os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _all(fd: int) -> str:
    """Read the contents of a pipe whose writers have ended."""
    os.set_blocking(fd, False)
    try:
        return os.read(fd, 1 << 20).decode("latin-1")
    except BlockingIOError:
        return ""
