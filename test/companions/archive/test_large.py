"""Archives beyond 4 GiB: written by the program, read by several readers, with bounded memory."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from test.companions.archive.unzipping import need
from test.deadline import PATIENCE_S

pytestmark = pytest.mark.slow

MIB: Final = 1024 * 1024
MAX_MEMORY_MIB: Final = 64
TIMEOUT_S: Final = 600.0

TEXT: Final = b"".join(b"line %d of very many\n" % n for n in range(100_000))[:MIB]
NOISE: Final = os.urandom(MIB)

# The size of each member in MiB. The members at the end begin beyond 4 GiB.
MEMBERS: Final = {
    "first.txt": 1,
    "huge.txt": 4608,
    **{f"{number}.png": 1024 for number in range(5)},
    "last.txt": 1,
}


class _Handler(BaseHTTPRequestHandler):
    """Serves /NAME in the size of that member: text, or random bytes with the type of an image."""

    def do_GET(self) -> None:
        name = self.path[1:]
        piece = NOISE if name.endswith(".png") else TEXT
        self.send_response(200)
        self.send_header("Content-Type", "image/png" if piece is NOISE else "text/plain")
        self.send_header("Content-Length", str(MEMBERS[name] * MIB))
        self.end_headers()
        # A response requested ahead is closed and requested again when it has waited too long.
        with contextlib.suppress(ConnectionError):
            for _ in range(MEMBERS[name]):
                self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An archive written by the program; asserts the program's peak memory."""
    folder = tmp_path_factory.mktemp("large")
    path = folder / "large.zip"
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        site = f"http://127.0.0.1:{server.server_port}"
        module = "httpprocessproxy.companions.archive.cli"
        command = [sys.executable, "-m", module, "get", str(path)]
        urls = [f"/{name}" for name in MEMBERS]
        process = subprocess.Popen([*command, *urls, "--site", site])
        peak_kib = watched(process)
        server.shutdown()
        thread.join(PATIENCE_S)
    assert process.returncode == 0
    assert peak_kib <= MAX_MEMORY_MIB * 1024
    yield path
    # pytest keeps its folders for a while, and this file is too large to keep.
    path.unlink()


def watched(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, and return its peak memory in KiB.

    getrusage() would include the memory of this process, which the child had before its exec.
    """
    peak_kib = 0
    end = time.monotonic() + TIMEOUT_S
    while process.poll() is None:
        assert time.monotonic() < end
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak_kib = max(peak_kib, *map(int, re.findall(r"VmHWM:\s*(\d+) kB", status)), 0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    print(f"at most {peak_kib / 1024:.1f} MiB")  # noqa: T201 - a result for manual runs
    return peak_kib


def test_python_reads_a_large_archive(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        sizes = {info.filename: info.file_size // MIB for info in opened.infolist()}
        assert sizes == MEMBERS
        assert opened.testzip() is None
        versions = {info.filename: info.extract_version for info in opened.infolist()}
        assert crc_of(TEXT, MEMBERS["huge.txt"]) == opened.getinfo("huge.txt").CRC
    assert archive.stat().st_size > 5 * 1024 * MIB
    # Only members larger than 4 GiB, or beginning beyond 4 GiB, are zip64.
    assert [name for name, version in versions.items() if version == 45] == [
        "huge.txt",
        "4.png",
        "last.txt",
    ]


def crc_of(piece: bytes, count: int) -> int:
    crc = 0
    for _ in range(count):
        crc = zlib.crc32(piece, crc)
    return crc


def test_unzip_reads_a_large_archive(archive: Path) -> None:
    subprocess.run(("unzip", "-tqq", str(archive)), check=True, timeout=TIMEOUT_S)


@pytest.mark.parametrize("name", ["bsdtar", "java"])
def test_streaming_reader_reads_a_large_archive(name: str, archive: Path) -> None:
    need(name)
    commands = {
        # Its input is a pipe: in a file, it would read the end first.
        "bsdtar": "bsdtar -x -O -f - | wc -c",
        "java": f"java {Path(__file__).parent}/ReadZip.java sizes",
    }
    command = f"cat {archive} | {commands[name]}"
    done = subprocess.run(
        ("bash", "-o", "pipefail", "-c", command), capture_output=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout.decode().split()
    if name == "bsdtar":
        assert int(output[0]) == sum(MEMBERS.values()) * MIB
    else:
        sizes = map(int, output[1::2])
        assert dict(zip(output[::2], sizes, strict=True)) == {
            member: mib * MIB for member, mib in MEMBERS.items()
        }
