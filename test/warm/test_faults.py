"""A fork server whose processes are killed: it reports one reason, and leaves no process."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.warm import ForkError, ForkServer, ImportRecord, PythonCommand, Stdio
from test.loops import on_every_loop
from test.warm.starts import new_tree


def server(folder: Path) -> ForkServer:
    program = folder / "program.py"
    program.write_text("import time; time.sleep(60)")
    command = PythonCommand.of((sys.executable, str(program)), os.environ, folder)
    assert isinstance(command, PythonCommand)
    return ForkServer(command, ImportRecord(("json",)), os.environ, new_tree())


def pids(server: ForkServer) -> tuple[int, int]:
    """The pids of the fork server and of its standby process."""
    first, second = server._attempts[-1].pids
    return first, second


def wait_for_end(pid: int) -> None:
    """Wait without running the event loop, so that all of its events arrive together."""
    while (process := linux.find(pid)) is not None and not process.is_zombie:
        time.sleep(0.001)


@pytest.mark.parametrize("attempt", range(3))
@on_every_loop
async def test_server_ends_when_standby_process_is_killed(tmp_path: Path, attempt: int) -> None:
    async with server(tmp_path) as forking:
        await forking.ready()
        main, standby = pids(forking)
        os.kill(standby, signal.SIGKILL)
        wait_for_end(main)
        assert await forking.ended() == "the process in readiness has ended"
    assert not any(map(linux.find, (main, standby)))


@on_every_loop
async def test_fork_fails_when_server_is_killed(tmp_path: Path) -> None:
    async with server(tmp_path) as forking:
        await forking.ready()
        main, standby = pids(forking)
        os.kill(standby, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            fork = group.create_task(refused(forking), name="fork")
            await asyncio.sleep(0)
            os.kill(main, signal.SIGKILL)
        assert fork.result() == "the fork server was ended by signal 9"
    assert not any(map(linux.find, (main, standby)))


@on_every_loop
async def test_standby_process_is_killed_after_timeout(tmp_path: Path) -> None:
    async with server(tmp_path) as forking:
        await forking.ready()
        main, standby = pids(forking)
        os.kill(standby, signal.SIGSTOP)
        assert await refused(forking) == "the fork server has not answered within 0.1 s"
        # The cold start that follows must not run beside it.
        process = linux.find(standby)
        assert process is None or process.is_zombie
    assert not any(map(linux.find, (main, standby)))


async def refused(forking: ForkServer) -> str:
    with pytest.raises(ForkError) as caught:
        await forking.fork(forking._command, os.environ, Stdio(0, 1, 2), timeout_s=0.1)
    return str(caught.value)
