"""Workers as real processes, and the servers behind them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from test import processes
from test.companions.share.relays import TOKEN, Relay, host_of, without_debug_mode
from test.deadline import eventually
from test.harness import backend
from test.ports import free_port
from test.spoken import Spoken
from test.wire import Wire


@contextlib.contextmanager
def serving(name: str = "echo.py", *arguments: str) -> Iterator[int]:
    """Run a server of test/backends, and yield its port."""
    port = free_port()
    command = [word.replace("{port}", str(port)) for word in backend(name, *arguments)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _accepts(port))
            yield port
        finally:
            process.kill()


def _accepts(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), Wire.connect(port):
        return True
    return False


class Worker(Spoken):
    """A running http-process-share for the server at `to`."""

    what = "worker"
    end_status = 128 + signal.SIGTERM
    # Only faults of the worker itself: it also prints errors of the relay and the server.
    trouble = re.compile(r"Traceback|Task exception|was never")

    def __init__(self, relay: Relay, name: str, to: int, *options: str) -> None:
        super().__init__()
        self._relay, self.name = relay, name
        self.arguments = [
            *(sys.executable, "-m", "httpprocessproxy.companions.share.worker.cli"),
            *(f"http://127.0.0.1:{relay.port}", "--to", f"127.0.0.1:{to}"),
            *("--name", host_of(name), *options),
        ]
        self._token = TOKEN.format(name)

    def __enter__(self) -> Self:
        read, write = os.pipe()
        os.write(write, f"{self._token}\n".encode())
        os.close(write)
        arguments = [*self.arguments, "--token-file", f"/dev/fd/{read}"]
        self.start(arguments, without_debug_mode(), pass_fds=(read,))
        os.close(read)
        return self

    def connected(self) -> Self:
        """Wait until the worker waits for visits."""
        eventually(lambda: self._relay.waiting(self.name) >= 1)
        return self

    def memory_bytes(self) -> int:
        return processes.rss_bytes(self.process.pid)


@contextlib.contextmanager
def shared(relay: Relay, name: str, *options: str, to: str = "echo.py") -> Iterator[Worker]:
    """Run a server and its connected worker."""
    with serving(to) as port, Worker(relay, name, port, *options) as worker:
        yield worker.connected()


def token_file(folder: Path, name: str) -> Path:
    """Write the token file of a user: the host name and the token in one line."""
    path = folder / f"{name}.token"
    path.write_text(f"{host_of(name)} {TOKEN.format(name)}\n")
    return path
