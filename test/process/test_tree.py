"""The process tree: orphans are ended and reaped, foreign processes are spared."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpprocessproxy.process import (
    Launcher,
    LaunchSpec,
    Output,
    ending,
    linux,
)
from test.deadline import PATIENCE_S, eventually
from test.process.generations import TREE, TREES, printed, python, started, until, with_output
from test.processes import MARK, kill_marked, marked

SERVER = f"{sys.executable} -S -c 'print(\"up\", flush=True); import time; time.sleep(1000)'"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("up", flush=True)
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
"""
# Processes fork in quick succession, some into new sessions, some ending: a scan can miss them.
STORM = """
import os, time
print("up", flush=True)
for number in range(400):
    if os.fork() == 0:
        if number % 3 == 0:
            os.setsid()
        if number % 7 == 0 and os.fork():
            os._exit(0)
        time.sleep(1000)
time.sleep(1000)
"""
SHAPES = {
    "direct": ("sh", "-c", f"exec {SERVER}"),
    "shell": ("sh", "-c", f"{SERVER}; true"),
    "shells": ("sh", "-c", 'sh -c "$0; true"; true', SERVER),
    "background": ("sh", "-c", f"{SERVER} & wait"),
    "nohup": ("sh", "-c", f"nohup {SERVER} & wait"),
    "setsid": ("sh", "-c", f"setsid {SERVER} & wait"),
    "setsid --wait": ("setsid", "--wait", "sh", "-c", f"{SERVER}; true"),
    "shell with jobs": ("sh", "-mc", f"{SERVER} & wait"),
    "double fork": python(DAEMON),
    "storm": python(STORM),
    "ignores TERM": ("sh", "-c", f"trap '' TERM HUP INT; {SERVER}; true"),
}


@pytest.fixture
def mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Mark all processes that the test starts, to find them under any parent."""
    monkeypatch.setenv(MARK, request.node.name)
    yield str(request.node.name)
    kill_marked(request.node.name)


@pytest.mark.parametrize("kill_signal", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("shape", SHAPES)
def test_stop_ends_every_shape_of_process_tree(
    shape: str, kill_signal: signal.Signals, mark: str
) -> None:
    async def main(output: Output) -> None:
        child = await started(output, *SHAPES[shape])
        assert marked(mark)
        await child.stop(kill_signal, 5.0 if shape != "ignores TERM" else 0.05)
        # Without waiting: the processes are gone when `stop` returns.
        assert marked(mark) == {}

    with_output(main)


def test_sweep_ends_and_names_daemon(mark: str) -> None:
    async def main(output: Output) -> None:
        command = ("sh", "-c", "setsid sleep 1000 & exit 0")
        child = Launcher(LaunchSpec(command), output, TREE).spawn()
        assert await child.wait() == 0
        (daemon,) = TREE.orphans()
        await until(lambda: str(daemon) == f"{daemon.pid} (sleep 1000)")
        assert await TREE.sweep() == [f"{daemon.pid} (sleep 1000)"]
        assert marked(mark) == {}
        assert await TREE.sweep() == []

    with_output(main)


def test_processes_of_running_generation_are_not_orphans() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *SHAPES["setsid"])
        assert TREE.orphans() == []
        assert await TREE.sweep() == []
        assert child.is_running
        members = {process.pid for process in TREE.members(child.pid)}
        assert len(members) == 2
        assert members <= {process.pid for process in TREE.processes()}
        await child.stop()
        assert members.isdisjoint(process.pid for process in TREE.processes())

    with_output(main)


def test_children_of_libraries_are_not_ended(mark: str) -> None:
    async def main(output: Output) -> None:
        child = await started(output, *SHAPES["double fork"])
        await child.stop()
        assert list(marked(mark)) == [library.pid]
        os.close(write_fd)
        # Long enough for a reaper that would wrongly reap foreign children.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(TREES.reap_adopted(), 2.5)

    read_fd, write_fd = os.pipe()
    with subprocess.Popen(["sh", "-c", "read _; exit 9"], stdin=read_fd) as library:
        os.close(read_fd)
        with_output(main)
        assert library.wait() == 9


def test_ended_orphans_are_reaped() -> None:
    source = "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(1000)"

    async def main(output: Output) -> None:
        async with asyncio.TaskGroup() as group:
            reaper = group.create_task(TREES.reap_adopted(), name="reap")
            others = {process.pid for process in linux.descendants(os.getpid(), lambda _: True)}
            assert await Launcher(LaunchSpec(python(source)), output, TREE).spawn().wait() == 0
            below = linux.descendants(os.getpid(), lambda _: True)
            (orphan,) = [process for process in below if process.pid not in others]
            os.kill(orphan.pid, signal.SIGKILL)
            await until(lambda: linux.find(orphan.pid) is None)
            reaper.cancel()

    with_output(main)


@pytest.mark.skipif(shutil.which("watchman") is None, reason="needs Watchman")
def test_watchman_daemon_is_not_ended(tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("sockname", "logfile", "statefile", "pidfile")}
    options = [f"--{name}={path}" for name, path in files.items()]

    linux.become_subreaper()
    # Start it like pywatchman. The daemon forks twice, and this process adopts it.
    subprocess.run(["watchman", *options, "get-sockname"], check=True, capture_output=True)
    daemon = int(Path(files["pidfile"]).read_text())

    async def main(output: Output) -> None:
        child = await started(output, *SHAPES["double fork"])
        await child.stop()
        assert await TREE.sweep() == []
        assert TREE.orphans() == []
        assert (now := linux.find(daemon)) is not None
        assert not now.is_zombie
        assert now.parent == os.getpid()

    try:
        with_output(main)
    finally:
        stop = ["watchman", *options, "shutdown-server"]
        subprocess.run(stop, check=True, capture_output=True, timeout=PATIENCE_S)
        eventually(lambda: not linux.has_children() or linux.has_ended_child())
        ending.end_all(lambda: linux.descendants(os.getpid(), lambda _: True))


def test_stop_takes_milliseconds() -> None:
    """Not a benchmark: the limit is tenfold, and detects an accidental wait."""

    async def main(output: Output) -> float:
        times = []
        for _ in range(10):
            child = await started(output, *SHAPES["shell"])
            begun = time.perf_counter()
            await child.stop()
            times.append(time.perf_counter() - begun)
        return sorted(times)[5]

    assert with_output(main) < 0.05


def test_output_before_stop_is_in_tail() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *SHAPES["direct"])
        await printed(output, b"up\n")
        await child.stop()
        assert output.tail == b"up\n"

    with_output(main)
