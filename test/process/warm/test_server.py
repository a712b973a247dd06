"""The fork server from outside: what it gives, what it refuses, and how it comes to an end."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.process.warm import ForkError, ForkServer, PythonCommand, Record, Stdio
from test.deadline import MS, PATIENCE_S
from test.process.warm.programs import Program
from test.process.warm.starts import Project, ending_of, pipes

T = TypeVar("T")

SILENT = Stdio(0, 1, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def project(folder: Path, main: str, **installed: str) -> Project:
    files = {f"site/{name}.py": text for name, text in installed.items()}
    return Project.make(folder, Program({"main.py": main, **files}))


@contextlib.asynccontextmanager
async def serving(project: Project, *modules: str) -> AsyncIterator[ForkServer]:
    server = ForkServer(project.command, Record(modules), project.environment)
    async with asyncio.timeout(PATIENCE_S), server:
        yield server


def with_server(project: Project, body: Callable[[ForkServer], Awaitable[T]], *modules: str) -> T:
    async def main() -> T:
        async with serving(project, *modules) as server:
            return await body(server)

    return asyncio.run(main())


async def output(project: Project, server: ForkServer) -> str:
    return (await project.warm(server)).stdout


def pids_of(server: ForkServer) -> list[int]:
    """The server and the process that it holds in readiness."""
    return [pid for attempt in server._attempts for pid in attempt.pids]


def test_what_is_told_when_ready(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        assert (server.is_ready, server.ready_after_s) == (False, None)
        await server.ready()
        assert server.is_ready
        assert server.ready_after_s is not None
        assert 0 < server.ready_after_s < PATIENCE_S
        assert server.memory_bytes() > 1_000_000
        assert server.left_alone == {"broken": "ValueError: at import"}

    broken = "raise ValueError('at import')"
    with_server(project(folder, "", broken=broken), body, "decimal", "broken")


def test_modules_are_loaded_in_the_fork_and_only_once(folder: Path) -> None:
    main = "import sys; print('library' in sys.modules, __import__('library').number)"
    library = "import os; number = os.getpid()"
    it = project(folder, main, library=library)

    async def body(server: ForkServer) -> None:
        await server.ready()
        assert await output(it, server) == await output(it, server)
        assert (await output(it, server)).startswith("True")

    with_server(it, body, "library")


def test_random_numbers_differ_from_fork_to_fork(folder: Path) -> None:
    library = "import random\nown = random.Random()\nseeded = random.Random(3)"
    main = "import library, random\nprint(random.random(), library.own.random(), sep='\\n')\n"
    main += "print(library.seeded.random())"
    it = project(folder, main, library=library)

    async def body(server: ForkServer) -> None:
        first = (await output(it, server)).split()
        second = (await output(it, server)).split()
        assert first[0] != second[0]
        assert first[1] != second[1]
        assert first[2] == second[2]

    with_server(it, body, "random", "library")


def test_environment_of_the_start_and_its_own_number(folder: Path) -> None:
    main = "import os; print(os.environ['PORT'], os.environ['LISTEN_PID'] == str(os.getpid()))"
    it = project(folder, main)

    async def body(server: ForkServer) -> str:
        await server.ready()
        environment = {**it.environment, "PORT": "81"}
        with pipes("") as (fds, taken):
            pid = await server.fork(
                it.command, environment, Stdio(*fds), pid_variables=["LISTEN_PID"]
            )
            return (await asyncio.to_thread(taken, pid)).stdout

    assert with_server(it, body) == "81 True\n"


def test_descriptors_get_the_numbers_that_they_shall_have(folder: Path) -> None:
    main = "import os; print(os.read(3, 9), os.read(5, 9))\n"
    # What the test runner lets its children inherit has higher numbers.
    main += "print(sorted(fd for fd in os.listdir('/proc/self/fd') if int(fd) < 8))"
    it = project(folder, main)
    (one, one_end), (other, other_end) = os.pipe(), os.pipe()
    os.write(one_end, b"three")
    os.write(other_end, b"five")

    async def body(server: ForkServer) -> str:
        await server.ready()
        with pipes("") as (fds, taken):
            pid = await server.fork(
                it.command, it.environment, Stdio(*fds), descriptors={5: other, 3: one}
            )
            return (await asyncio.to_thread(taken, pid)).stdout

    try:
        # The fourth is the listing's.
        expected = "b'three' b'five'\n['0', '1', '2', '3', '4', '5']\n"
        assert with_server(it, body) == expected
    finally:
        for fd in (one, one_end, other, other_end):
            os.close(fd)


def test_terminal_is_the_controlling_one(folder: Path) -> None:
    main = (
        "import os, sys\nprint(os.tcgetpgrp(0) == os.getpid(), sys.stdout.line_buffering, input())"
    )
    it = project(folder, main)
    master_fd, slave_fd = os.openpty()
    os.write(master_fd, b"typed\n")

    async def body(server: ForkServer) -> int:
        await server.ready()
        stdio = Stdio(terminal=os.ttyname(slave_fd))
        return ending_of(await server.fork(it.command, it.environment, stdio))

    try:
        assert with_server(it, body) == 0
        assert os.read(master_fd, 1000) == b"typed\r\nTrue True typed\r\n"
    finally:
        os.close(master_fd)
        os.close(slave_fd)


def test_fork_is_our_child_in_a_session_of_its_own(folder: Path) -> None:
    it = project(folder, "import sys; sys.stdin.read()")

    async def body(server: ForkServer) -> None:
        await server.ready()
        read_fd, write_fd = os.pipe()
        stdio = Stdio(read_fd, 1, 2)
        pid = await server.fork(it.command, it.environment, stdio)
        os.close(read_fd)
        found = linux.find(pid)
        assert found is not None
        assert (found.parent, found.group, found.session) == (os.getpid(), pid, pid)
        for own in pids_of(server):
            process = linux.find(own)
            assert process is not None
            assert process.session == os.getsid(0)
            assert process.group != os.getpgrp()
        os.close(write_fd)
        assert ending_of(pid) == 0

    with_server(it, body)


def test_forks_outlive_the_server(folder: Path) -> None:
    it = project(folder, "import sys; sys.exit(len(sys.stdin.read()))")
    read_fd, write_fd = os.pipe()

    async def body(server: ForkServer) -> int:
        await server.ready()
        return await server.fork(it.command, it.environment, Stdio(read_fd, 1, 2))

    pid = with_server(it, body)
    os.close(read_fd)
    os.write(write_fd, b"four")
    os.close(write_fd)
    assert ending_of(pid) == 4


def test_leaving_leaves_nothing(folder: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))

    async def body(server: ForkServer) -> list[int]:
        await server.ready()
        return pids_of(server)

    pids = with_server(project(folder, ""), body)
    assert len(pids) == 2
    assert not any(linux.find(pid) for pid in pids)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_project_that_hides_a_module_by_now(folder: Path) -> None:
    it = project(folder, "import decimal; print(decimal.__file__)")

    async def body(server: ForkServer) -> None:
        await server.ready()
        it.write({"decimal.py": ""})
        with pytest.raises(ForkError, match="the project has a module decimal now"):
            await server.fork(it.command, it.environment, SILENT)
        (folder / "decimal.py").unlink()
        assert "lib/python" in await output(it, server)

    with_server(it, body, "decimal")


def test_program_that_is_elsewhere_by_now(folder: Path) -> None:
    files = {"one/main.py": "print(1)", "two/main.py": "print(2)"}
    it = Project.make(folder, Program(files, ("{python}", "now.py")))
    link = folder / "now.py"
    link.symlink_to("one/main.py")

    async def body(server: ForkServer) -> None:
        assert await output(it, server) == "1\n"
        await server.ready()
        link.unlink()
        link.symlink_to("two/main.py")
        with pytest.raises(ForkError, match="the program is elsewhere now"):
            await server.fork(it.command, it.environment, SILENT)

    with_server(it, body)


def test_terminal_that_is_gone(folder: Path) -> None:
    it = project(folder, "")

    async def body(server: ForkServer) -> None:
        await server.ready()
        with pytest.raises(ForkError, match="No such file or directory: '/dev/pts/none'"):
            await server.fork(it.command, it.environment, Stdio(terminal="/dev/pts/none"))
        await server.ready()

    with_server(it, body)


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


def test_interpreter_that_is_missing(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand("no-such-python", (), file="main.py")
        with pytest.raises(ForkError, match="cannot start 'no-such-python': No such file"):
            async with ForkServer(command, Record(()), dict(os.environ)):
                pass

    asyncio.run(main())


def test_interpreter_that_is_too_old(folder: Path) -> None:
    old = folder / "python2"
    old.write_text("#!/bin/sh\necho 'warm starts need CPython 3.8 or later' >&2; exit 1\n")
    old.chmod(0o755)

    async def main() -> str:
        command = PythonCommand(str(old), (), file="main.py")
        async with ForkServer(command, Record(()), dict(os.environ)) as server:
            return await server.ended()

    assert asyncio.run(main()) == "warm starts need CPython 3.8 or later"


def test_libraries_that_come_before_all_others(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand(sys.executable, (), file="main.py")
        with pytest.raises(ForkError, match="gevent has to be imported before all else"):
            async with ForkServer(command, Record(("os", "gevent")), dict(os.environ)):
                pass

    asyncio.run(main())


PROXY = """
import asyncio, sys
from httpprocessproxy.process.warm import ForkServer, PythonCommand, Record
async def main():
    command = PythonCommand(sys.executable, (), file="main.py")
    record, environment = Record(tuple(sys.argv[2:])), {"PYTHONPATH": sys.argv[1]}
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
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as proxy:
        assert proxy.stdout is not None
        assert select.select([proxy.stdout], [], [], PATIENCE_S)[0]
        pids = [int(word) for word in proxy.stdout.readline().split()]
        proxy.kill()
    assert pids
    # This process is a subreaper by now, and inherits them.
    assert [ending_of(pid) for pid in pids]
