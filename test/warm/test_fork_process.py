"""The ends that a fork server can come to: whoever asked for a process knows how it stands."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.warm import ForkError, ForkServer
from test.deadline import MS, PATIENCE_S
from test.warm.servers import SILENT, pids_of, project, with_server
from test.warm.starts import ending_of


def test_before_it_is_ready(folder: Path) -> None:
    it = project(folder, "", slow="import time; time.sleep(1000)")

    async def body(server: ForkServer) -> None:
        with pytest.raises(ForkError, match="the fork server is not ready"):
            await server.fork(it.command, it.environment, SILENT)

    with_server(it, body, "slow")


def test_server_that_is_killed(folder: Path) -> None:
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


def test_process_in_readiness_that_is_killed(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        os.kill(pids_of(server)[1], signal.SIGKILL)
        assert await server.ended() == "the process in readiness has ended"

    with_server(project(folder, ""), body)


@pytest.mark.parametrize("which", [0, 1])
def test_killed_as_a_fork_is_asked_for(which: int, folder: Path) -> None:
    """Either there is a process, or an error that says that there is none."""
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


def test_process_in_readiness_that_does_not_answer(folder: Path) -> None:
    it = project(folder, "print('too late')")

    async def body(server: ForkServer) -> int:
        await server.ready()
        standby = pids_of(server)[1]
        os.kill(standby, signal.SIGSTOP)
        with pytest.raises(ForkError, match="has not answered within"):
            await server.fork(it.command, it.environment, SILENT, timeout_s=0.05)
        return standby

    assert linux.find(with_server(it, body)) is None


def test_import_that_hangs(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300 * MS):
                await server.ready()

    # Leaving ends it: the deadline is that of `serving`.
    with_server(project(folder, "", slow="while True: pass"), body, "slow")


def test_import_that_ends_the_process(folder: Path) -> None:
    async def body(server: ForkServer) -> str:
        return await server.ended()

    it = project(folder, "", bad="import os; os._exit(3)", fatal="import os; os.abort()")
    assert with_server(it, body, "bad") == "the fork server exited with status 3"
    assert with_server(it, body, "fatal") == "the fork server was ended by signal 6"


def test_import_that_exits_is_left_alone(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.left_alone == {"bad": "SystemExit: 3"}

    with_server(project(folder, "", bad="raise SystemExit(3)"), body, "bad")


def test_out_of_memory(folder: Path) -> None:
    main = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
    greedy = main + "held = bytearray(2**30)"

    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.left_alone == {"greedy": "MemoryError:"}

    with_server(project(folder, "", greedy=greedy), body, "greedy")


def test_no_more_processes(folder: Path) -> None:
    """A fork that fails is told, and is the end."""
    library = "import os\ndef fork(): raise OSError(11, 'Resource temporarily unavailable')\n"
    library += "os.fork = fork"

    async def body(server: ForkServer) -> str:
        return await server.ended()

    it = project(folder, "", library=library)
    assert with_server(it, body, "library") == "cannot fork: Resource temporarily unavailable"


PROXY = """
import asyncio, sys
from httpprocessproxy.warm import ForkServer, PythonCommand, ImportRecord
async def main():
    command = PythonCommand(sys.executable, (), file="main.py")
    record, environment = ImportRecord(tuple(sys.argv[2:])), {"PYTHONPATH": sys.argv[1]}
    async with ForkServer(command, record, environment) as server:
        if len(sys.argv) == 2:
            await server.ready()
        print(*[pid for attempt in server._attempts for pid in attempt.pids], flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("modules", [[], ["hangs"]])
def test_proxy_that_is_killed(modules: list[str], folder: Path) -> None:
    (folder / "hangs.py").write_text("while True: pass")
    words = [sys.executable, "-c", PROXY, str(folder), *modules]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as proxy:
        assert proxy.stdout is not None
        assert select.select([proxy.stdout], [], [], PATIENCE_S)[0]
        pids = [int(word) for word in proxy.stdout.readline().split()]
        proxy.kill()
    assert pids
    # This process is a subreaper by now, and inherits them.
    assert [ending_of(pid) for pid in pids]
