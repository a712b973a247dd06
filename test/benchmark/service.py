"""Processes of the benchmark: start, readiness and end."""

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
STOP_TIMEOUT_S = 5.0


class NotReadyError(Exception):
    """A process did not listen or answer in time, or ended; the text has its last output."""


@dataclass(frozen=True, slots=True)
class Service:
    """A started process; `log` has its output."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-600:].strip()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of all contestants, in which the package is found from any directory."""
    ours = {"PYTHONPATH": str(ROOT), "NO_UPDATE_NOTIFIER": "1"}
    # This variable would make Python compile all modules at each start.
    theirs = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**theirs, **ours, **(extra or {})}


@contextmanager
def running(
    command: Sequence[str], work: Path, env: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Run `command` in `work`, in a session of its own; end its process group after the block.

    Its output goes to a file outside `work`, where no watcher sees it.
    """
    log = work.parent / f"{work.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=work,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Service(process, log)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group that `running` started: SIGTERM, then SIGKILL after a timeout."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            pass
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
        if how is signal.SIGTERM:
            kill_rest(process.pid)
        return


def kill_rest(group: int) -> None:
    """Kill processes that outlive the leader of their group, as workers of gunicorn do."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def get(port: int, path: str = "/", timeout_s: float = 5.0, host: str = "") -> bytes:
    """Send one GET on its own connection, and return all received bytes. Raises OSError."""
    with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
        return _exchange(connection, path, host or f"{HOST}:{port}")


def _exchange(connection: socket.socket, path: str, host: str) -> bytes:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    return b"".join(iter(lambda: connection.recv(65536), b""))


def answers(port: int) -> bool:
    try:
        # 308 redirects to HTTPS, which would answer with 200.
        return get(port).startswith((b"HTTP/1.1 200", b"HTTP/1.1 308"))
    except OSError:
        return False


def answers_over_tls(port: int) -> bool:
    """Like `answers`, over TLS; any certificate is accepted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((HOST, port), timeout=5.0) as plain,
            context.wrap_socket(plain) as connection,
        ):
            return _exchange(connection, "/", f"{HOST}:{port}").startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def wait_ready(
    service: Service, port: int, timeout_s: float = 30.0, ready: Callable[[int], bool] = answers
) -> None:
    """Wait until a GET at `port` gets a good response. Raises NotReadyError."""
    deadline = time.monotonic() + timeout_s
    while not ready(port):
        ended = service.process.poll()
        if ended is not None or time.monotonic() > deadline:
            why = "no answer" if ended is None else f"ended with status {ended}"
            raise NotReadyError(f"{why}; {service.last_words()}")
        time.sleep(0.005)
