"""The program as users run it: a real process in a project directory of its own.

At its end, each `with Proxy(...)` also checks what holds for every run: the exit status, that no
process is left, and that the program printed no traceback of its own.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict
from urllib.parse import urlsplit

from test import processes
from test.deadline import MS, PATIENCE_S, eventually
from test.ports import free_port
from test.wire import Message, Wire

BACKENDS = Path(__file__).parent / "backends"

# Far more than a page of tracebacks, but fast to search at each piece of output.
REMEMBERED_BYTES = 256 * 1024

_OUR_TRACEBACK = re.compile(r'File ".*/httpprocessproxy/|Task exception was never|Traceback.*hpp')


class LastRestart(TypedDict):
    paths: list[str]
    drain_ms: float
    stop_ms: float
    start_ms: float
    ready_ms: float
    total_ms: float


class LastStart(TypedDict):
    warm: bool
    ms: float | None
    saved_ms: float | None


class Preload(TypedDict):
    ready: bool
    off: str | None
    modules: int | None
    memory_bytes: int | None


class Status(TypedDict):
    state: str
    generation: int
    pid: int | None
    returncode: int | None
    watcher: str
    last_start: LastStart | None
    last_restart: LastRestart | None
    preload: Preload | None
    task: bool
    waits_for: list[str]


def backend(name: str, *arguments: str) -> list[str]:
    """The command that runs a server of test/backends/; {port} becomes its port."""
    return [sys.executable, str(BACKENDS / name), "{port}", *arguments]


class Proxy:
    """The running program. `options` are added to its command line before --exec.

    It stops by SIGTERM, unless `stop` was called before.
    """

    def __init__(
        self,
        project: Path,
        command: Sequence[str],
        *options: str,
        watcher: str = "embedded",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.project = project
        project.mkdir(exist_ok=True, parents=True)
        self.port, self.backend_port = free_port(), free_port()
        self.mark = str(uuid.uuid4())
        self.arguments = [
            *(sys.executable, "-m", "httpprocessproxy"),
            *(f"127.0.0.1:{self.port}", f"127.0.0.1:{self.backend_port}"),
            *("--livereload-port", "0", "--watcher", watcher),
            *options,
            "--exec",
            *(word.replace("{port}", str(self.backend_port)) for word in command),
        ]
        self.environment = {**os.environ, processes.MARK: self.mark, **(environment or {})}
        # asyncio's debug mode is for the loops of tests: it would slow the program down.
        self.environment.pop("PYTHONASYNCIODEBUG", None)
        # For two versions saved in one second, Python may use the bytecode of the first.
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self.expected_statuses = {143}
        # The program name of a process that may outlive the proxy: Watchman serves later runs.
        self.may_stay = "watchman" if watcher == "watchman" else ""
        self._output = bytearray()
        self._news = threading.Condition()

    # Start and end

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.arguments,
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_output, name="output", daemon=True)
        self._reader.start()
        try:
            eventually(self._accepts)
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._check_end()
        except AssertionError as failure:
            failure.add_note(self.last_output)
            raise
        finally:
            if error is not None:
                error.add_note(self.last_output)
            self._clean_up()

    def stop(self, *signals: signal.Signals, within_s: float = 10_000 * MS) -> int:
        """Send the signals (SIGTERM if none), and return the exit status as a shell shows it."""
        for signum in signals or (signal.SIGTERM,):
            self.process.send_signal(signum)
        code = self.process.wait(within_s)
        status = code if code >= 0 else 128 - code
        self.expected_statuses = {status}
        return status

    def left_over(self) -> dict[int, str]:
        return processes.marked(self.mark)

    def _orphans(self) -> list[str]:
        commands = self.left_over().values()
        return [command for command in commands if command.split(" ")[0] != self.may_stay]

    def _check_end(self) -> None:
        expected = self.expected_statuses
        if self.process.poll() is None:
            self.stop()
        code = self.process.returncode
        status = code if code >= 0 else 128 - code
        assert status in expected, f"exit status {status}, not {expected}"
        eventually(lambda: not self._orphans(), 2000 * MS)
        assert not _OUR_TRACEBACK.search(self.output), "a traceback of the proxy"

    def _clean_up(self) -> None:
        """End all processes of this run, by pid."""
        processes.kill_marked(self.mark)
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _accepts(self) -> bool:
        """Whether the program listens; with port 0, the test has to find the port itself."""
        assert self.process.poll() is None, f"ended at once: {self.last_output}"
        if not self.port:
            return True
        with contextlib.suppress(ConnectionRefusedError), Wire.connect(self.port):
            return True
        return False

    # Output

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed by another thread
            while data := os.read(self.process.stdout.fileno(), 65536):
                with self._news:
                    self._output += data
                    del self._output[:-REMEMBERED_BYTES]
                    self._news.notify_all()

    @property
    def output(self) -> str:
        with self._news:
            return self._output.decode(errors="replace")

    @property
    def last_output(self) -> str:
        return f"the program printed:\n{self.output[-4000:]}"

    def wait_output(self, pattern: str, within_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait until `pattern` (a regular expression) has been printed."""

        def look() -> re.Match[str] | None:
            return re.search(pattern, self._output.decode(errors="replace"))

        with self._news:
            found = self._news.wait_for(look, within_s)
        assert found, f"not printed within {within_s:g} s: {pattern}"
        return found

    # State

    def status(self) -> Status:
        response = self.get("/_hpp/status")
        assert response.status == 200, response
        status: Status = json.loads(response.body)
        return status

    def wait_state(
        self, state: str, after: int | None = None, within_s: float = PATIENCE_S
    ) -> Status:
        """Wait for a state, in a generation later than `after`."""

        def look() -> Status | None:
            status = self.status()
            fits = status["state"] == state and (after is None or status["generation"] > after)
            return status if fits else None

        try:
            found = eventually(look, within_s)
        except AssertionError as failure:
            failure.add_note(f"last: {self.status()}")
            raise
        assert found is not None
        return found

    def running(self) -> Self:
        """Wait until the backend answers."""
        self.wait_state("running")
        return self

    @contextlib.contextmanager
    def restart(self, to: str = "running") -> Iterator[None]:
        """Wait after the block until a new generation, which the block causes, is in state `to`."""
        before = self.status()["generation"]
        yield
        self.wait_state(to, after=before)

    # Files and requests

    def save(self, name: str, text: str, by: str = "write") -> None:
        """Save a file of the project as editors do: by writing it, or by a rename."""
        path = self.project / name
        if by == "rename":
            temporary = path.with_name(f".{path.name}.swp")
            temporary.write_text(text)
            temporary.replace(path)
        else:
            path.write_text(text)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dashboard_url(self) -> str:
        return f"{urlsplit(self.url).scheme}://hpp.localhost:{self.port}/"

    @property
    def dashboard_port(self) -> int:
        """The dashboard's own port, from the start lines."""
        return int(self.wait_output(r"  dashboard +.*:(\d+)/\n")[1])

    def connect(self) -> Wire:
        return Wire.connect(self.port)

    def get(self, target: str, **headers: str) -> Message:
        """Send one GET on a connection of its own. `X_Name="v"` sends `X-Name: v`."""
        with self.connect() as wire:
            lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            wire.send("\r\n".join([*lines, "", ""]).encode())
            return wire.response()


class Project(Proxy):
    """The program with a file of services: `hpp up`. `text` are the file's tables.

    The file gets an address for browsers and no port for LiveReload. `arguments` follow `up`.
    """

    def __init__(
        self,
        project: Path,
        text: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(project, (), environment=environment)
        own = f'bind = "127.0.0.1:{self.port}"\nlivereload-port = 0\nwatcher = "embedded"\n'
        (project / "http-process-proxy.toml").write_text(f"{own}{text}")
        self.arguments = [sys.executable, "-m", "httpprocessproxy", "up", *arguments]

    def service(self, name: str) -> Status:
        """The status of a service."""
        response = self.get(f"/_hpp/services/{name}/status")
        assert response.status == 200, response
        status: Status = json.loads(response.body)
        return status

    def wait_service(self, name: str, state: str = "running", after: int = 0) -> Status:
        """Wait for a state of a service, in a generation later than `after`."""

        def look() -> Status | None:
            status = self.service(name)
            return status if status["state"] == state and status["generation"] > after else None

        found = eventually(look)
        assert found is not None
        return found


def http_connection(proxy: Proxy) -> http.client.HTTPConnection:
    """An HTTP client of the standard library, connected at its first request."""
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)
