"""A ZIP of many files: its rate, its CPU time, and its size.

The services fetch the files from nginx over HTTP; `zip -` reads the same files from the disk, and
so does less. All files are in memory before the measurement.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from test.benchmark.backends import nginx_backend, nginx_missing
from test.benchmark.cpu import Tree
from test.benchmark.fleet import Bench, turns
from test.benchmark.samples import Measure
from test.benchmark.service import (
    HOST,
    ROOT,
    NotReadyError,
    get,
    running,
    wait_ready,
)
from test.benchmark.tools import MissingError, fpx, program
from test.benchmark.tools import run as run_program
from test.ports import free_port

ARCHIVE, FPX, ZIP = "http-process-archive", "fpx", "zip -"
MB = 1_000_000
TIMEOUT_S = 120.0
PIECE_BYTES = 1 << 20
# Every ZIP ends with this record, with few bytes after it.
END, END_WITHIN_BYTES = b"PK\x05\x06", 200


@dataclass(frozen=True, slots=True)
class Scenario:
    """The files of an archive, `file_bytes` each."""

    key: str
    title: str
    suffix: str
    file_bytes: int

    def measure(self, name: str, title: str, unit: str, *, higher: bool = False) -> Measure:
        return Measure(f"archive{self.key}.{name}", f"{title}, {self.title}", unit, higher)

    def names(self, total_bytes: int) -> list[str]:
        return [f"{n}{self.suffix}" for n in range(max(1, total_bytes // self.file_bytes))]


SCENARIOS = (
    Scenario("text", "text in files of 5 MB", ".txt", 5_000_000),
    Scenario("small", "text in files of 20 KB", ".txt", 20_000),
    # nginx sends the type of these, by which our service does not compress them.
    Scenario("image", "images of 5 MB", ".jpg", 5_000_000),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of an archive: seconds, CPU seconds, and its size with the framing of HTTP."""

    duration_s: float
    cpu_s: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Contestant:
    """An archiver; `make` archives files in a folder below the one that nginx serves."""

    name: str
    make: Callable[[str, Sequence[str]], Cost]


def run(bench: Bench) -> None:
    if why := nginx_missing():
        return bench.skip("archive", why)
    for scenario in SCENARIOS:
        _write_files(bench.files / scenario.key, scenario, bench.plan.bulk_bytes)
    with ExitStack() as stack:
        contestants = list(_start_all(bench, stack))
        for number in range(bench.plan.rounds):
            for scenario in SCENARIOS:
                for contestant in turns(contestants, number):
                    _measure(bench, scenario, contestant, number)
    return None


def _write_files(folder: Path, scenario: Scenario, total_bytes: int) -> None:
    """Text repeats the package's sources, at distances longer than the window of deflate."""
    folder.mkdir(parents=True)
    sources = b"".join(path.read_bytes() for path in sorted(ROOT.glob("httpprocessproxy/**/*.py")))
    noise = os.urandom(scenario.file_bytes)
    for number, name in enumerate(scenario.names(total_bytes)):
        start = number * scenario.file_bytes % len(sources)
        text = (sources * (2 + scenario.file_bytes // len(sources)))[start:]
        content = noise if scenario.suffix == ".jpg" else text
        (folder / name).write_bytes(content[: scenario.file_bytes])


def _start_all(bench: Bench, stack: ExitStack) -> Iterator[Contestant]:
    work = bench.folder / "nginx"
    work.mkdir()
    backend = nginx_backend(work, bench.files)
    wait_ready(stack.enter_context(running(backend.command, work)), backend.port)
    origin = f"http://{HOST}:{backend.port}"
    for name in (ARCHIVE, FPX, ZIP):
        try:
            if name == ZIP:
                yield Contestant(ZIP, _zip(bench.files))
            else:
                folder = bench.folder / name
                folder.mkdir()
                yield stack.enter_context(_serving(name, folder, origin))
        except (MissingError, NotReadyError) as error:
            bench.skip(name, error)


@contextmanager
def _serving(name: str, folder: Path, origin: str) -> Iterator[Contestant]:
    """A ticket service; both read the same environment. Raises MissingError, NotReadyError."""
    port = free_port()
    database = f"sqlite:///{folder}/tickets.db"
    env = {"FPX_DB_URL": database, "FPX_HOST": HOST, "FPX_PORT": str(port)}
    ours = (sys.executable, "-m", "httpprocessproxy.companions.archive.cli")
    command = ours if name == ARCHIVE else (fpx(),)
    run_program((*command, "db", "up"), folder, env)
    said = run_program((*command, "client", "add", "benchmark"), folder, env)
    created = re.search(r"Client created: benchmark - (\S+)", said)
    if created is None:
        raise NotReadyError(f"no client: {said}")
    allowing = ("--allow", origin) if name == ARCHIVE else ()
    with running((*command, "server", "run", *allowing), folder, env) as service:
        wait_ready(service, port, ready=_answers)
        yield Contestant(name, _by_ticket(port, created[1], origin, Tree(service.pid)))


def _answers(port: int) -> bool:
    try:
        return get(port, "/ticket/").startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def _by_ticket(
    port: int, secret: str, origin: str, tree: Tree
) -> Callable[[str, Sequence[str]], Cost]:
    def make(folder: str, names: Sequence[str]) -> Cost:
        items = [f"{origin}/{folder}/{name}" for name in names]
        headers = {"Content-Type": "application/json", "X-Fpx-Authorize": secret}
        asked = Request(
            f"http://{HOST}:{port}/ticket/generate",
            json.dumps({"items": items}).encode(),
            headers,
        )
        with urlopen(asked, timeout=TIMEOUT_S) as response:
            ticket = json.load(response)["id"]
        cpu_s, began = tree.cpu_s(), time.monotonic()
        size = _download(port, f"/ticket/{ticket}/download")
        return Cost(time.monotonic() - began, tree.cpu_s() - cpu_s, size)

    return make


def _download(port: int, path: str) -> int:
    """GET an archive, and return its size in bytes. Raises OSError."""
    with socket.create_connection((HOST, port), timeout=TIMEOUT_S) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        return _drain(lambda: connection.recv(PIECE_BYTES))


def _zip(files: Path) -> Callable[[str, Sequence[str]], Cost]:
    """Raises MissingError."""
    command = (program("zip"), "-q", "-r", "-", ".")

    def make(folder: str, names: Sequence[str]) -> Cost:
        assert {path.name for path in (files / folder).iterdir()} == set(names)
        began = time.monotonic()
        with subprocess.Popen(command, cwd=files / folder, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            output = process.stdout.fileno()
            size = _drain(lambda: os.read(output, PIECE_BYTES))
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
        duration_s = time.monotonic() - began
        return Cost(duration_s, usage.ru_utime + usage.ru_stime, size)

    return make


def _drain(read: Callable[[], bytes]) -> int:
    """Read an archive to its end; return its size in bytes. Raises OSError if it is cut."""
    size, tail = 0, b""
    while piece := read():
        size += len(piece)
        tail = (tail + piece)[-END_WITHIN_BYTES:]
    if END not in tail:
        raise ConnectionError(f"no end of an archive after {size} bytes")
    return size


def _measure(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    names = scenario.names(bench.plan.bulk_bytes)
    total = len(names) * scenario.file_bytes
    try:
        cost = contestant.make(scenario.key, names)
    except OSError as error:
        return bench.fault(f"{contestant.name}, {scenario.title}", error)
    speed = total / cost.duration_s / MB
    figures = {
        scenario.measure("rate", "archived", "MB/s", higher=True): speed,
        scenario.measure("cpu", "CPU", "ms/MB"): cost.cpu_s * 1000 / (total / MB),
        scenario.measure("size", "size", "%"): 100 * cost.size_bytes / total,
    }
    for measure, value in figures.items():
        bench.results.add(measure, contestant.name, number, value)
    bench.say(f"round {number + 1}, {scenario.title}: {contestant.name}: {speed:,.0f} MB/s")
    return None
