"""Waiting for child processes and stopping them: exit statuses, signals, cancellation."""

import asyncio
import os
import shlex
import signal
from pathlib import Path

import pytest
import uvloop

from httpprocessproxy.process import Child, Launcher, LaunchSpec, Output, StopError, linux
from test.deadline import MS, PATIENCE_S, eventually
from test.process.generations import (
    TREE,
    descriptors,
    one_output,
    printed,
    python,
    started,
    with_output,
)

STUBBORN = python("""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(1000)
""")
# Like gunicorn: a master, and a worker that ends a little later.
MASTER = python("""
import os, signal, time
def end_slowly(number, frame):
    time.sleep(0.2)
    print("worker ended in peace", flush=True)
    os._exit(0)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, end_slowly)
    print("up", flush=True)
while True:
    time.sleep(1000)
""")


def test_wait_returns_exit_status_or_negative_signal() -> None:
    async def main(output: Output) -> None:
        assert await Launcher(LaunchSpec(("sh", "-c", "exit 3")), output, TREE).spawn().wait() == 3
        killed = Launcher(LaunchSpec(("sh", "-c", "kill -SEGV $$")), output, TREE).spawn()
        assert await killed.wait() == -signal.SIGSEGV

    with_output(main)


def test_concurrent_waits_return_once_output_is_copied() -> None:
    async def main(output: Output) -> None:
        child = Launcher(LaunchSpec(("sh", "-c", "seq 10000; exit 4")), output, TREE).spawn()
        assert await asyncio.gather(*(child.wait() for _ in range(5))) == [4] * 5
        assert output.tail.endswith(b"\n9999\n10000\n")
        assert await child.wait() == 4

    with_output(main)


def test_wait_and_stop_work_on_uvloop() -> None:
    async def main() -> None:
        with one_output() as output:
            child = await started(output, *STUBBORN)
            assert await child.stop() == -signal.SIGKILL
            assert await Launcher(LaunchSpec(("false",)), output, TREE).spawn().wait() == 1

    uvloop.run(main())


def test_wait_and_stop_work_without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr("httpprocessproxy.process.linux.has_proc", lambda: False)

    async def main(output: Output) -> None:
        linux._prctl(linux._PR_SET_CHILD_SUBREAPER, 0)
        child = await started(output, *MASTER)
        assert await child.stop(signal.SIGTERM, PATIENCE_S) == -signal.SIGTERM
        assert b"in peace" in output.tail
        child = await started(output, *STUBBORN)
        assert await child.stop(signal.SIGTERM, 50 * MS) == -signal.SIGKILL

    with_output(main)


def test_graceful_stop_waits_for_workers() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *MASTER)
        assert await child.stop(signal.SIGTERM, PATIENCE_S) == -signal.SIGTERM
        assert TREE.orphans() == []
        await printed(output, b"worker ended in peace")

    with_output(main)


def test_worker_finishes_the_job_of_its_child_first() -> None:
    """Like RQ and Celery: a signal to the child would end its job."""
    worker = python("""
import os, signal, sys, time
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
read, write = os.pipe()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("up", flush=True)
    os.read(read, 1)
    time.sleep(0.05)
    print("job done", flush=True)
    os._exit(0)
while not ending:
    time.sleep(0.001)
os.write(write, b"!")
os.wait()
""")

    async def main(output: Output) -> None:
        child = await started(output, *worker)
        assert await child.stop(signal.SIGTERM, PATIENCE_S) == 0
        await printed(output, b"job done")

    with_output(main)


def test_signal_of_a_keyboard_goes_to_the_whole_group() -> None:
    waiting = python("""
import os, signal
signal.signal(signal.SIGINT, lambda *_: None)
if os.fork() == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("up", flush=True)
    signal.pause()
os.wait()
print("child ended", flush=True)
""")

    async def main(output: Output) -> None:
        child = await started(output, *waiting)
        assert await child.stop(signal.SIGINT, PATIENCE_S) == 0
        await printed(output, b"child ended")

    with_output(main)


def test_graceful_stop_ends_stopped_program() -> None:
    async def main(output: Output) -> None:
        child = await started(output, "sh", "-c", "echo up; sleep 1000")
        os.killpg(child.pid, signal.SIGSTOP)
        assert await child.stop(signal.SIGTERM, PATIENCE_S) == -signal.SIGTERM

    with_output(main)


def test_process_that_ignores_signal_is_killed_after_timeout() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *STUBBORN)
        begun = asyncio.get_running_loop().time()
        assert await child.stop(signal.SIGTERM, 200 * MS) == -signal.SIGKILL
        assert asyncio.get_running_loop().time() - begun >= 200 * MS

    with_output(main)


def test_kill_ends_graceful_stop_early() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *STUBBORN)
        async with asyncio.TaskGroup() as group:
            stop = group.create_task(child.stop(signal.SIGTERM, 1000.0), name="stop")
            await asyncio.sleep(0)
            child.kill()
        assert stop.result() == -signal.SIGKILL

    with_output(main)


def test_kill_ends_graceful_stop_early_when_only_leader_has_ended() -> None:
    """A wrapper obeys SIGTERM, and the server below it ignores it."""

    async def main(output: Output) -> None:
        child = await started(output, "sh", "-c", f"{shlex.join(STUBBORN)} & wait")
        async with asyncio.TaskGroup() as group:
            stop = group.create_task(child.stop(signal.SIGTERM, 1000.0), name="stop")
            assert await child.wait() == -signal.SIGTERM
            assert len(TREE.orphans()) == 1
            child.kill()
        assert stop.result() == -signal.SIGTERM
        assert TREE.orphans() == []

    with_output(main)


def test_stop_after_kill_has_no_grace_period() -> None:
    async def main(output: Output) -> None:
        child = await started(output, "sh", "-c", f"trap '' TERM; {shlex.join(STUBBORN)} & wait")
        child.kill()
        assert await child.stop(signal.SIGTERM, 1000.0) == -signal.SIGKILL

    with_output(main)


def test_repeated_stop_returns_same_status() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *STUBBORN)
        assert list(await asyncio.gather(child.stop(), child.stop())) == [-9, -9]
        assert await child.stop(signal.SIGTERM) == -9

    with_output(main)


def test_cancelled_stop_leaves_no_process() -> None:
    async def stop_cancelled(child: Child) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50 * MS):
                await child.stop(signal.SIGTERM, 1000.0)

    async def main(output: Output) -> None:
        wrapped = shlex.join(["setsid", *STUBBORN])
        child = await started(output, "sh", "-c", f"trap '' TERM; {wrapped}; true")
        await stop_cancelled(child)
        assert TREE.orphans() == []
        assert not child.is_running

    with_output(main)


def test_grandchild_that_holds_pipe_does_not_delay_wait() -> None:
    async def main(output: Output) -> None:
        child = Launcher(
            LaunchSpec(("sh", "-c", "echo said; setsid sleep 1000 & exit 5")), output, TREE
        ).spawn()
        assert await child.wait() == 5
        assert b"said" in output.tail
        assert len(TREE.orphans()) == 1
        await child.stop()
        assert TREE.orphans() == []

    with_output(main)


def test_pipe_held_by_grandchild_is_closed_by_next_start() -> None:
    async def main(output: Output) -> None:
        launcher = Launcher(LaunchSpec(("sh", "-c", "setsid sleep 1000 & echo up")), output, TREE)
        await launcher.spawn().wait()
        before = descriptors()
        for _ in range(20):
            await launcher.spawn().wait()
        assert descriptors() <= before
        assert len(await TREE.sweep()) == 21

    with_output(main)


def test_process_that_cannot_be_killed_raises_stop_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pidfd: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    async def main(output: Output) -> None:
        fled = "setsid sh -c 'echo up; exec sleep 1000' & wait"
        child = await started(output, "sh", "-c", fled)
        with monkeypatch.context() as patch:
            patch.setattr(signal, "pidfd_send_signal", refuse)
            with pytest.raises(StopError, match=r"cannot end \d+ \(.*sleep 1000\): Operation"):
                await child.stop()
        await TREE.sweep()

    with_output(main)


def test_child_that_ends_its_group_leaves_no_process_in_it(tmp_path: Path) -> None:
    async def main(output: Output) -> None:
        # A process is in the group until it has called setsid(2).
        left = tmp_path / "left"
        outside = f"setsid sh -c 'touch {left}; exec sleep 1001'"
        wait = f"until [ -e {left} ]; do sleep 0.01; done"
        shell = ("sh", "-c", f"sleep 1000 & {outside} & {wait}; exit 3")
        child = Launcher(LaunchSpec(shell), output, TREE).spawn()
        child.ends_group = True
        assert await child.wait() == 3
        orphans = await asyncio.to_thread(eventually, lambda: commands_of_orphans() == ["1001"])
        assert orphans
        await child.stop()

    def commands_of_orphans() -> list[str]:
        return [process.words[-1] for process in TREE.orphans()]

    with_output(main)
