"""A user at a terminal: runs a command on a new pty, types, and reads the screen."""

import errno
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl
from types import TracebackType
from typing import Self

from test.deadline import PATIENCE_S, eventually

# Do what `setsid --ctty` does, then act as a shell: run the command in its own foreground process
# group below a parent that stays, so that job control works as in a real shell.
_SHELL = """
import os, signal, subprocess, sys
os.setsid()
os.close(os.open(os.ttyname(0), os.O_RDWR))
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        print(f"[exit {os.waitstatus_to_exitcode(status)}]", flush=True)
        sys.exit()
    print(f"[stopped by {os.WSTOPSIG(status)}]", flush=True)
    is_running = False
    while (line := sys.stdin.readline().strip()) != "fg":
        if line == "bg":
            os.killpg(pid, signal.SIGCONT)
            is_running = True
            print("[background]", flush=True)
    os.tcsetpgrp(0, pid)
    # Like bash and dash, send no signal to a running job.
    if not is_running:
        os.killpg(pid, signal.SIGCONT)
"""


class Screen:
    """A context manager that kills the shell at its end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._fd, slave_fd = os.openpty()
        self.resize(24, 80)
        self._seen = b""
        shell = [sys.executable, "-S", "-c", _SHELL, *command]
        with open(slave_fd, "r+b", buffering=0) as slave:
            self._shell = subprocess.Popen(shell, stdin=slave, stdout=slave, stderr=slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._fd)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str) -> str:
        """Read until `text` appears; return the output since the last call, up to its end."""
        deadline = time.monotonic() + PATIENCE_S
        while text.encode() not in self._seen:
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"no {text!r} in {self._seen.decode(errors='replace')!r}"
            if select.select([self._fd], [], [], left_s)[0]:
                self._seen += self._read()
        before, found, self._seen = self._seen.partition(text.encode())
        return (before + found).decode(errors="replace")

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise AssertionError(f"hung up after {self._seen!r}") from error

    def resize(self, rows: int, columns: int) -> None:
        ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def is_canonical(self) -> bool:
        """Whether the terminal is in canonical mode with echo, as shells leave it."""
        wanted = termios.ICANON | termios.ECHO
        return bool(termios.tcgetattr(self._fd)[3] & wanted == wanted)

    def wait_until_forwarded(self) -> None:
        eventually(lambda: not self.is_canonical)
