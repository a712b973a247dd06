"""Workers as real processes, and the servers whose visits they play."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from test import processes
from test.deadline import PATIENCE_S, eventually
from test.harness import backend
from test.ports import free_port
from test.share.relays import TOKEN, Relay, host_of
from test.wire import Wire

_TROUBLE = re.compile(r"Traceback|Task exception|was never")


@contextlib.contextmanager
def serving(name: str = "echo.py", *arguments: str) -> Iterator[int]:
    """A server of test/backends; its port."""
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


class Worker:
    """A running http-process-share for the server at `to`. It is ended by SIGTERM, and well."""

    def __init__(self, relay: Relay, name: str, to: int, *options: str) -> None:
        self._relay, self.name = relay, name
        self.arguments = [
            *(sys.executable, "-m", "httpprocessproxy.share.worker"),
            *(f"http://127.0.0.1:{relay.port}", "--to", f"127.0.0.1:{to}"),
            *("--name", host_of(name), *options),
        ]
        self._token = TOKEN.format(name)
        self._lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        environment = {**os.environ}
        environment.pop("PYTHONASYNCIODEBUG", None)
        read, write = os.pipe()
        os.write(write, f"{self._token}\n".encode())
        os.close(write)
        arguments = [*self.arguments, "--token-file", f"/dev/fd/{read}"]
        self.process = subprocess.Popen(
            arguments, stderr=subprocess.PIPE, text=True, env=environment, pass_fds=(read,)
        )
        os.close(read)
        self._reader = threading.Thread(target=self._read, name="worker", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                self.process.terminate()
                assert self.process.wait(PATIENCE_S) == 143
            assert kind is not None or not _TROUBLE.search(self.output), self.output
        finally:
            if error is not None:
                error.add_note(f"the worker printed:\n{self.output[-4000:]}")
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self._reader.join(PATIENCE_S)
            assert self.process.stderr is not None
            self.process.stderr.close()

    def connected(self) -> Self:
        """Wait until it waits for visits."""
        eventually(lambda: self._relay.waiting(self.name) >= 1)
        return self

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def memory_bytes(self) -> int:
        return processes.rss_bytes(self.process.pid)

    @property
    def output(self) -> str:
        with self._news:
            return "".join(self._lines)

    def wait_line(self, pattern: str) -> str:
        """Wait until something like this (a regular expression) is printed."""

        def look() -> re.Match[str] | None:
            return re.search(pattern, "".join(self._lines))

        with self._news:
            self._news.wait_for(look, PATIENCE_S)
        found = re.search(pattern, self.output)
        assert found, f"not printed: {pattern}\n{self.output}"
        return found[0]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()


@contextlib.contextmanager
def shared(relay: Relay, name: str, *options: str, to: str = "echo.py") -> Iterator[Worker]:
    """A server, and its worker, connected."""
    with serving(to) as port, Worker(relay, name, port, *options) as worker:
        yield worker.connected()


def token_file(folder: Path, name: str) -> Path:
    """What a user has: the name and the token in a line."""
    path = folder / f"{name}.token"
    path.write_text(f"{host_of(name)} {TOKEN.format(name)}\n")
    return path
