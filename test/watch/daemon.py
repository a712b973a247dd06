"""A private Watchman daemon: its socket, state and log in one folder, killed by its pid."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from test.deadline import PATIENCE_S, eventually


class Daemon:
    """The daemon at one socket; a test can kill and restart it."""

    def __init__(self, folder: Path) -> None:
        self.socket: Final = folder / "sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("watchman", "--foreground", "--no-save-state", f"--sockname={self.socket}"),
                *(
                    f"--{name}={self._folder / name}"
                    for name in ("statefile", "logfile", "pidfile")
                ),
            ],
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
        )
        eventually(self._accepts)

    def _accepts(self) -> bool:
        """Whether the daemon listens: its socket has a name before that."""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self.socket)) == 0

    def hang(self) -> None:
        """Stop the daemon until it is killed: it answers no more, as on a dead disk."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # Its threads stop one by one: until the last has, a question may still be answered.
        os.waitpid(self._process.pid, os.WUNTRACED)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE_S)
            self._process = None


@contextmanager
def running(folder: Path) -> Iterator[Daemon]:
    daemon = Daemon(folder)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()
