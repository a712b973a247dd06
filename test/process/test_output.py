"""Copying the backend's output: complete, and independent of the reader of our own output."""

import asyncio
import os
import subprocess
import sys
import termios
import threading
from fcntl import F_GETPIPE_SZ, fcntl, ioctl
from functools import partial
from pathlib import Path

import pytest

from httpprocessproxy.process import Launcher, LaunchSpec, Output, OutputCopier, message_printer
from httpprocessproxy.process.output_streams import TAIL_BYTES
from test.deadline import MS, PATIENCE_S, eventually
from test.process.generations import (
    TREE,
    descriptors,
    one_output,
    printed,
    python,
    started,
    with_copier,
    with_output,
)
from test.processes import rss_bytes

PROGRAM = [sys.executable, "-m", "test.process.programs", "run"]
MEGABYTES = 200
FLOOD = python(f"""
import os, sys
piece = b"0123456789abcde\\n" * 65536
for _ in range({MEGABYTES}):
    left = memoryview(piece)
    while left:
        left = left[os.write(1, left):]
os.write(2, b"done\\n")
""")

SERVER = "import time; print('server', flush=True); time.sleep(1000)"


class Reader:
    """Keeps the pieces of an output, with the names of their streams."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, bytes]] = []

    def take(self, stream: str, piece: bytes) -> None:
        self.pieces.append((stream, piece))

    def flush(self) -> None:
        """Pass nothing on."""


def test_streams_are_copied_separately_byte_for_byte() -> None:
    source = r"import os; os.write(1, bytes(range(256))); os.write(2, b'\x1b[31merr\xff\r\n')"
    done = subprocess.run([*PROGRAM, *python(source)], capture_output=True, timeout=PATIENCE_S)
    assert done.stdout == bytes(range(256))
    assert b"\x1b[31merr\xff\r\n" in done.stderr


def test_200_mb_are_copied_without_memory_growth() -> None:
    with subprocess.Popen(
        [*PROGRAM, *FLOOD], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        total, peak = 0, 0
        while piece := os.read(run.stdout.fileno(), 1 << 20):
            if total == 0:
                small = rss_bytes(run.pid)
            total += len(piece)
            if total % 50 == 0:
                peak = max(peak, rss_bytes(run.pid))
        assert total == MEGABYTES << 20
        assert peak - small < 8 << 20
        assert b"done\n" in run.stderr.read()
        assert run.wait(PATIENCE_S) == 0


def test_closed_stdout_is_ignored() -> None:
    command = [*PROGRAM, *FLOOD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        assert b"done\n" in run.stderr.read()
        assert run.wait(PATIENCE_S) == 0


def test_full_disk_is_ignored() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROGRAM, "sh", "-c", "echo x; exit 3"], stdout=full, check=False)
    assert done.returncode == 3


def test_blocked_stdout_blocks_neither_event_loop_nor_stop() -> None:
    """The program's stdout is a full pipe without a reader, and it still handles SIGTERM."""
    read_fd, write_fd = os.pipe()
    with subprocess.Popen([*PROGRAM, *FLOOD], stdout=write_fd, stderr=subprocess.PIPE) as run:
        os.close(write_fd)
        eventually(lambda: _waiting_bytes(read_fd) == fcntl(read_fd, F_GETPIPE_SZ))
        run.terminate()
        assert run.wait(2000 * MS) == 128 + 15
        assert run.stderr is not None
    os.close(read_fd)


def _waiting_bytes(fd: int) -> int:
    return int.from_bytes(ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_non_blocking_stdout_loses_no_bytes() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with subprocess.Popen([*PROGRAM, *FLOOD], stdout=write_fd, stderr=subprocess.DEVNULL):
        os.close(write_fd)
        with open(read_fd, "rb") as reader:
            total = sum(map(len, iter(lambda: reader.read(1 << 20), b"")))
    assert total == MEGABYTES << 20


def test_tail_is_bounded_and_of_one_generation() -> None:
    async def main(output: Output) -> None:
        await Launcher(LaunchSpec(("sh", "-c", "seq 100000")), output, TREE).spawn().wait()
        assert len(output.tail) == TAIL_BYTES
        assert output.tail.endswith(b"\n99999\n100000\n")
        both = LaunchSpec(("sh", "-c", "echo out; echo err >&2"))
        await Launcher(both, output, TREE).spawn().wait()
        assert sorted(output.tail.split()) == [b"err", b"out"]

    with_output(main)


def test_output_of_earlier_generation_is_not_in_tail(tmp_path: Path) -> None:
    go = tmp_path / "go"
    flood = f"echo up; until [ -e {go} ]; do sleep 0.01; done; while :; do echo old; done"

    async def main(output: Output) -> None:
        old = await started(output, "sh", "-c", flood)
        go.touch()
        eventually(lambda: b"old" in output.tail)
        new = await started(output, "sh", "-c", "echo up; sleep 1000")
        assert output.tail == b"up\n"
        await old.stop()
        await new.stop()

    with_output(main)


def test_reader_gets_each_piece() -> None:
    reader = Reader()

    async def main() -> None:
        with one_output(reader) as output:
            await Launcher(LaunchSpec(("echo", "hello")), output, TREE).spawn().wait()

    asyncio.run(main())
    assert {stream for stream, _ in reader.pieces} == {"stdout"}
    assert b"".join(piece for _, piece in reader.pieces) == b"hello\n"


def test_message_starts_on_new_line(capfd: pytest.CaptureFixture[str]) -> None:
    async def main(copier: OutputCopier, output: Output) -> None:
        child = await started(output, "sh", "-c", "printf up >&2; sleep 1000")
        copier.write("ours")
        copier.write("ours again\n")
        await child.stop()

    with_copier(main)
    shown = capfd.readouterr().err
    assert "up\nours\nours again\n" in shown


def test_message_waits_for_end_of_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, the backend may take longer than this from one piece to the next.
    monkeypatch.setattr(message_printer, "_LINE_TIMEOUT_S", PATIENCE_S)
    source = """
import os, time
for number in range(300):
    for piece in (b"<", b"=" * 20, b">\\n"):
        os.write(1, piece)
        time.sleep(0.0005)
    if number == 0:
        os.write(1, b"up\\n")
"""

    async def main(copier: OutputCopier, output: Output) -> None:
        child = await started(output, *python(source))
        while child.is_running:
            copier.write("ours")
            await asyncio.sleep(0.0017)
        await child.wait()

    # Both streams go to one file, as on a terminal.
    stderr_fd = os.dup(2)
    os.dup2(1, 2)
    with_copier(main)
    os.dup2(stderr_fd, 2)
    os.close(stderr_fd)
    assert set(capfd.readouterr().out.split("\n")) == {f"<{'=' * 20}>", "up", "ours", ""}


def test_messages_before_and_after_close_are_printed() -> None:
    source = """
from httpprocessproxy.process import OutputCopier
with OutputCopier() as copier:
    copier.write("before")
copier.write("after \\udcff")
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, timeout=PATIENCE_S)
    assert done.stderr == b"before\nafter \\udcff\n"


def test_thread_and_descriptors_are_released() -> None:
    before, threads = descriptors(), threading.active_count()
    for _ in range(3):
        with_output(lambda output: asyncio.sleep(0))
    assert descriptors() == before
    assert threading.active_count() == threads


def test_orphan_that_prints_for_ever_does_not_delay_stop() -> None:
    async def main(output: Output) -> None:
        begun = asyncio.get_running_loop().time()
        command = ("sh", "-c", "setsid yes & sleep 0.1; exit 2")
        child = Launcher(LaunchSpec(command), output, TREE).spawn()
        assert await child.wait() == 2
        assert len(TREE.orphans()) == 1
        await child.stop()
        assert asyncio.get_running_loop().time() - begun < PATIENCE_S / 2

    with_output(main)


def test_output_beside_has_its_own_tail_and_leaves_the_generation_alone() -> None:
    reader = Reader()

    async def main() -> None:
        with one_output(reader) as output:
            server = Launcher(LaunchSpec(python(SERVER)), output, TREE).spawn()
            await asyncio.to_thread(eventually, lambda: output.tail == b"server\n")
            beside = output.beside()
            launcher = Launcher(LaunchSpec(("echo", "build 1")), beside, TREE)
            assert await launcher.spawn().wait() == 0
            launcher.launch_spec = LaunchSpec(("echo", "build 2"))
            assert await launcher.spawn().wait() == 0
            assert beside.tail == b"build 2\n"
            assert output.tail == b"server\n"
            await server.stop()
        assert b"".join(piece for _, piece in reader.pieces) == b"server\nbuild 1\nbuild 2\n"

    asyncio.run(main())


def test_output_beside_is_copied_to_its_end_when_the_output_closes() -> None:
    async def main() -> bytes:
        with one_output() as output:
            beside = output.beside()
            child = Launcher(LaunchSpec(("sh", "-c", "echo x; sleep 1000")), beside, TREE).spawn()
            await asyncio.to_thread(eventually, lambda: beside.tail == b"x\n")
            await child.stop()
        beside.remember("after the end")
        return beside.tail

    assert asyncio.run(main()) == b"x\n"


def test_expected_line_of_the_next_generation_is_reported_once() -> None:
    async def main(output: Output) -> None:
        found: list[int] = []
        for generation in (1, 2):
            output.expect_line("is up", partial(found.append, generation))
            command = "echo it; echo is; echo it is up; echo it is up; echo end"
            await Launcher(LaunchSpec(("sh", "-c", command)), output, TREE).spawn().wait()
        await Launcher(LaunchSpec(("echo", "is up")), output, TREE).spawn().wait()
        assert found == [1, 2]

    with_output(main)


def test_lines_of_the_proxy_are_not_the_expected_one() -> None:
    async def main(output: Output) -> None:
        found: list[str] = []
        output.expect_line("is up", lambda: found.append("line"))
        child = await started(output, "sh", "-c", "echo up; sleep 1000")
        output.remember("no line contains 'is up' yet\n")
        await printed(output, b"no line")
        await child.stop()
        assert found == []

    with_output(main)
