"""The third process: it ends the backend when the guard and the program are killed together.

A shell waits for the end of a pipe that those two hold open, at a tenth of a megabyte. A line on it
says that all is well; its end without one makes the shell become a Python that runs this module.
The backend's processes are no descendants of ours then: a variable in their environment, and their
descent from one that has it, tells them from all others. Neither has its own command line the name
of the program, lest a `pkill -f` that ends the two ends this, too.
"""

import contextlib
import os
import secrets
import signal
import sys
from typing import Final

from httpprocessproxy.process import linux
from httpprocessproxy.process.tree import may_be_ended

# What the environment of each process of the backend has, with a value of each run's own.
RUN: Final = "HTTP_PROCESS_PROXY_RUN"

_WAITS: Final = 'cd / && read -r _ || exec "$ORPHANS_PYTHON" -c "$ORPHANS_CODE"'
# What a Python needs to start; the shell is to hold none of the secrets of our environment.
_KEPT: Final = ("HOME", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME")
_CODE: Final = "from httpprocessproxy.process.orphans import end_run; end_run()"
# A process that starts another one while we look is found at the next look.
_LOOKS: Final = 100


class Reaper:
    """The shell, and the end of the pipe that keeps it waiting. Make it before the guard forks."""

    def __init__(self) -> None:
        """Without a shell or pipes there is none, and all else goes on."""
        self.run = f"{os.getpid()}-{secrets.token_hex(8)}"
        self.pid: int | None = None
        self._write_fd: int | None = None
        # The kernel ends all of a container with PID 1.
        if os.getpid() != 1:
            self._begin()

    def _begin(self) -> None:
        read_fd, self._write_fd = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        variables = {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
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
        """All has ended well: let it end, and reap it."""
        if self._write_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._write_fd, b"\n")
            os.close(self._write_fd)
        if self.pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)


def end_run() -> None:
    """End all that the run left which ORPHANS_RUN names. Does not return before it is gone."""
    pair = f"{RUN}={os.environ['ORPHANS_RUN']}"
    quiet = 0
    for _ in range(_LOOKS):
        found = _left(pair)
        quiet = 0 if found else quiet + 1
        if quiet == 2:
            return
        for process in found:
            with contextlib.suppress(PermissionError):
                if (pidfd := linux.kill(process)) is not None:
                    os.close(pidfd)


def _left(pair: str) -> list[linux.Process]:
    marked = [process for process in linux.processes() if pair in process.environment_pairs]
    found = {process.pid: process for process in marked}
    for process in marked:
        below = linux.descendants(process.pid, may_be_ended)
        found |= {one.pid: one for one in below}
    found.pop(os.getpid(), None)
    return [one for one in found.values() if not one.is_zombie and may_be_ended(one)]
