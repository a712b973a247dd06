"""The reaper: a third process, which ends the backend when guard and program are killed together.

A shell (0.1 MB of memory) reads from a pipe that those two hold open. A line on the pipe reports a
normal end; end of file without a line makes the shell execute a Python that runs this module.
The backend's processes are not its descendants: it finds them by their marks (marks.py), and the
descendants of those. Its command line does not contain the program's name, so that a
`pkill -f` that kills the other two does not kill it.
"""

import contextlib
import os
import signal
import sys
from typing import Final

from httpprocessproxy.process import linux
from httpprocessproxy.process.marks import Marks, may_be_ended, new_run

_WAITS: Final = 'cd / && read -r _ || exec "$ORPHANS_PYTHON" -c "$ORPHANS_CODE"'
# The variables that Python needs to start; the shell must not hold secrets of our environment.
_PYTHON_VARIABLES: Final = ("HOME", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME")
_CODE: Final = "from httpprocessproxy.process.reaper import end_run; end_run()"
# A process that is started during one scan is found by the next.
_MAX_SCANS: Final = 100


class Reaper:
    """The shell and the write end of its pipe. Create it before the guard forks."""

    def __init__(self) -> None:
        """Start the shell; if that fails, the program runs without it."""
        self.run = new_run()
        self.pid: int | None = None
        self._write_fd: int | None = None
        # The kernel kills all processes of a container when its PID 1 ends.
        if os.getpid() != 1:
            self._begin()

    def _begin(self) -> None:
        read_fd, self._write_fd = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        variables = {
            **{name: os.environ[name] for name in _PYTHON_VARIABLES if name in os.environ},
            "ORPHANS_PYTHON": sys.executable,
            "ORPHANS_CODE": _CODE,
            "ORPHANS_RUN": self.run,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        }
        with contextlib.suppress(OSError):
            self.pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _WAITS],
                variables,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, read_fd, 0),
                    (os.POSIX_SPAWN_DUP2, null, 1),
                    (os.POSIX_SPAWN_DUP2, null, 2),
                ],
                setsid=True,
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
                setsigmask=(),
            )
        os.close(read_fd)
        os.close(null)

    def dismiss(self) -> None:
        """End the shell after a normal exit, and reap it."""
        if self._write_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._write_fd, b"\n")
            os.close(self._write_fd)
        if self.pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)


def end_run() -> None:
    """Kill all processes of the run that ORPHANS_RUN names, until two scans find none.

    Gives up after 100 scans.
    """
    marks = Marks(os.environ["ORPHANS_RUN"])
    quiet = 0
    for _ in range(_MAX_SCANS):
        found = _remaining(marks)
        quiet = 0 if found else quiet + 1
        if quiet == 2:
            return
        for process in found:
            with contextlib.suppress(PermissionError):
                if (pidfd := linux.kill(process)) is not None:
                    os.close(pidfd)


def _remaining(marks: Marks) -> list[linux.Process]:
    marked = [process for process in linux.processes() if marks.is_on(process)]
    found = {process.pid: process for process in marked}
    for process in marked:
        below = linux.descendants(process.pid, may_be_ended)
        found |= {one.pid: one for one in below}
    found.pop(os.getpid(), None)
    return [one for one in found.values() if not one.is_zombie and may_be_ended(one)]
