"""Failures of a fork server: each one gives the caller of `fork` a process or an error."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import ProcessTrees, linux
from httpprocessproxy.warm import ForkError, ForkServer, ImportRecord
from test.deadline import MS, PATIENCE_S
from test.warm.servers import SILENT, pids_of, project, with_server
from test.warm.starts import ending_of


def test_fork_before_ready_fails(folder: Path) -> None:
    it = project(folder, "", slow="import time; time.sleep(1000)")

    async def body(server: ForkServer) -> None:
        with pytest.raises(ForkError, match="the fork server is not ready"):
            await server.fork(it.command, it.environment, SILENT)

    with_server(it, body, "slow")


def test_killed_server_ends_with_signal(folder: Path) -> None:
    it = project(folder, "")

    async def body(server: ForkServer) -> None:
        await server.ready()
        os.kill(pids_of(server)[0], signal.SIGKILL)
        assert await server.ended() == "the fork server was ended by signal 9"
        assert not server.is_ready
        with pytest.raises(ForkError, match="ended by signal 9"):
            await server.fork(it.command, it.environment, SILENT)
        with pytest.raises(ForkError, match="ended by signal 9"):
            await server.ready()

    with_server(it, body)


def test_server_ends_when_standby_process_is_killed(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        os.kill(pids_of(server)[1], signal.SIGKILL)
        assert await server.ended() == "the process in readiness has ended"

    with_server(project(folder, ""), body)


@pytest.mark.parametrize("which", [0, 1])
def test_kill_right_before_fork_gives_process_or_error(which: int, folder: Path) -> None:
    """Either the fork succeeds, or it raises an error and no process exists."""
    it = project(folder, "")

    async def body(server: ForkServer) -> tuple[int, int]:
        await server.ready()
        pids = pids_of(server)
        os.kill(pids[which], signal.SIGKILL)
        try:
            return pids[1], await server.fork(it.command, it.environment, SILENT)
        except ForkError:
            return pids[1], 0

    standby, pid = with_server(it, body)
    if pid:
        assert which == 0
        assert ending_of(pid) == 0
    assert linux.find(standby) is None


def test_stopped_standby_process_is_killed_after_timeout(folder: Path) -> None:
    it = project(folder, "print('too late')")

    async def body(server: ForkServer) -> int:
        await server.ready()
        standby = pids_of(server)[1]
        os.kill(standby, signal.SIGSTOP)
        with pytest.raises(ForkError, match="has not answered within"):
            await server.fork(it.command, it.environment, SILENT, timeout_s=0.05)
        return standby

    assert linux.find(with_server(it, body)) is None


def test_server_with_hanging_import_is_not_ready(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300 * MS):
                await server.ready()

    # Leaving the context ends the server, within the deadline of `serving`.
    with_server(project(folder, "", slow="while True: pass"), body, "slow")


def test_import_that_ends_the_process_ends_server(folder: Path) -> None:
    async def body(server: ForkServer) -> str:
        return await server.ended()

    it = project(folder, "", bad="import os; os._exit(3)", fatal="import os; os.abort()")
    assert with_server(it, body, "bad") == "the fork server exited with status 3"
    assert with_server(it, body, "fatal") == "the fork server was ended by signal 6"


def test_module_that_raises_system_exit_is_skipped(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.skipped == {"bad": "SystemExit: 3"}

    with_server(project(folder, "", bad="raise SystemExit(3)"), body, "bad")


def test_module_that_runs_out_of_memory_is_skipped(folder: Path) -> None:
    main = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
    greedy = main + "held = bytearray(2**30)"

    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.skipped == {"greedy": "MemoryError:"}

    with_server(project(folder, "", greedy=greedy), body, "greedy")


def test_failed_os_fork_ends_server(folder: Path) -> None:
    """A failing os.fork is reported, and ends the server."""
    library = "import os\ndef fork(): raise OSError(11, 'Resource temporarily unavailable')\n"
    library += "os.fork = fork"

    async def body(server: ForkServer) -> str:
        return await server.ended()

    it = project(folder, "", library=library)
    assert with_server(it, body, "library") == "cannot fork: Resource temporarily unavailable"


def test_standby_process_is_registered_before_it_leaves_our_session(folder: Path) -> None:
    """Otherwise the sweep of another service could take it for an orphan."""
    it = project(folder, "import time; time.sleep(1000)")
    trees = ProcessTrees()
    tree = trees.add("web")

    async def main() -> None:
        linux.become_subreaper()
        record = ImportRecord(())
        async with ForkServer(it.command, record, it.environment, tree) as server:
            await server.ready()
            standby = pids_of(server)[1]
            assert {*trees.claims.registered} == {standby}
            pid = await server.fork(it.command, it.environment, SILENT)
            assert pid == standby
            assert os.getsid(pid) == pid
            assert tree.orphans() == []
        # The next standby process has ended with the server, and was reaped.
        assert {*trees.claims.registered} == {pid}
        assert tree.orphans() == []
        tree.release(pid)
        assert [one.pid for one in tree.orphans()] == [pid]
        os.kill(pid, signal.SIGKILL)
        ending_of(pid)

    asyncio.run(main())


PROXY = """
import asyncio, sys
from httpprocessproxy.process import ProcessTrees
from httpprocessproxy.warm import ForkServer, PythonCommand, ImportRecord
async def main():
    command = PythonCommand(sys.executable, (), file="main.py")
    record, environment = ImportRecord(tuple(sys.argv[2:])), {"PYTHONPATH": sys.argv[1]}
    async with ForkServer(command, record, environment, ProcessTrees().add("web")) as server:
        if len(sys.argv) == 2:
            await server.ready()
        print(*[pid for attempt in server._attempts for pid in attempt.pids], flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("modules", [[], ["hangs"]])
def test_server_ends_when_proxy_is_killed(modules: list[str], folder: Path) -> None:
    (folder / "hangs.py").write_text("while True: pass")
    words = [sys.executable, "-c", PROXY, str(folder), *modules]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as proxy:
        assert proxy.stdout is not None
        assert select.select([proxy.stdout], [], [], PATIENCE_S)[0]
        pids = [int(word) for word in proxy.stdout.readline().split()]
        proxy.kill()
    assert pids
    # This process is a subreaper, and inherits them.
    assert [ending_of(pid) for pid in pids]
