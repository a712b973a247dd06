"""The fork server from outside: what it gives, what it refuses, and how it comes to an end."""

import asyncio
import os
import select
import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.warm import ForkError, ForkServer, ImportRecord, PythonCommand, Stdio
from test.deadline import PATIENCE_S
from test.warm.program import Program
from test.warm.servers import SILENT, output, pids_of, project, with_server
from test.warm.starts import Project, ending_of, pipes


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
    main += "print(library.seeded.random())\n"
    main += "import numpy.random\nprint(numpy.random.state)"
    it = project(folder, main, library=library)
    # It has a generator of its own, which every fork would have alike.
    numpy = "import os\nstate = 'of the server'\ndef seed():\n    global state\n"
    numpy += "    state = os.urandom(9).hex()"
    it.write({"site/numpy/__init__.py": "", "site/numpy/random.py": numpy})

    async def body(server: ForkServer) -> None:
        first = (await output(it, server)).split()
        second = (await output(it, server)).split()
        assert first[0] != second[0]
        assert first[1] != second[1]
        assert first[2] == second[2]
        assert first[3] != second[3]

    with_server(it, body, "random", "library", "numpy.random")


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
        seen = b""
        while seen.count(b"\n") < 2:  # a terminal gives it in pieces of its own choice
            assert select.select([master_fd], [], [], PATIENCE_S)[0]
            seen += os.read(master_fd, 1000)
        assert seen == b"typed\r\nTrue True typed\r\n"
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


def test_interpreter_that_is_missing(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand("no-such-python", (), file="main.py")
        with pytest.raises(ForkError, match="cannot start 'no-such-python': No such file"):
            async with ForkServer(command, ImportRecord(()), dict(os.environ)):
                pass

    asyncio.run(main())


def test_interpreter_that_is_too_old(folder: Path) -> None:
    old = folder / "python2"
    old.write_text("#!/bin/sh\necho 'warm starts need CPython 3.8 or later' >&2; exit 1\n")
    old.chmod(0o755)

    async def main() -> str:
        command = PythonCommand(str(old), (), file="main.py")
        async with ForkServer(command, ImportRecord(()), dict(os.environ)) as server:
            return await server.ended()

    assert asyncio.run(main()) == "warm starts need CPython 3.8 or later"


@pytest.mark.parametrize(
    "imports",
    ["import leaf, other", "try:\n    import leaf, other, none\nexcept ImportError: pass"],
)
def test_module_that_opens_a_descriptor_is_blamed_not_what_it_imports_then(
    folder: Path, imports: str
) -> None:
    modules = {
        "opener": f"import holder\nholder.hold()\n{imports}",
        "holder": "import os\ndef hold():\n    os.dup(0)",
        "leaf": "",
        "other": "",
    }

    async def body(server: ForkServer) -> None:
        await server.ready()
        # Refused at the second attempt, after the first has found it out.
        assert server.left_alone == {"opener": "Foreign: opener"}

    with_server(project(folder, "", **modules), body, "opener", "holder", "leaf", "other")


def test_module_that_opens_a_descriptor_and_fails_is_blamed(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.left_alone["opener"] == "Foreign: opener"

    opener = "import os\nos.dup(0)\nraise ImportError"
    user = "try:\n    import opener\nexcept ImportError: pass"
    with_server(project(folder, "", opener=opener, user=user), body, "opener", "user")


def test_libraries_that_come_before_all_others(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand(sys.executable, (), file="main.py")
        with pytest.raises(ForkError, match="gevent has to be imported before all else"):
            async with ForkServer(command, ImportRecord(("os", "gevent")), dict(os.environ)):
                pass

    asyncio.run(main())


def test_one_start_right_after_the_other(folder: Path) -> None:
    """The next process is not there yet, and waited for."""
    it = project(folder, "")

    async def body(server: ForkServer) -> None:
        await server.ready()
        for _ in range(5):
            assert server.is_ready
            pid = await server.fork(it.command, it.environment, SILENT, timeout_s=PATIENCE_S)
            assert ending_of(pid) == 0

    with_server(it, body)


def test_output_that_nobody_reads(folder: Path) -> None:
    """What was printed at the imports is printed as the program's own: it waits, and we do not."""
    it = project(folder, "", library="print(40_000 * 'x')")
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    # As much as it holds.
    assert os.write(write_fd, 1_000_000 * b"-") < 1_000_000
    os.set_blocking(write_fd, True)

    async def body(server: ForkServer) -> int:
        await server.ready()
        return await server.fork(it.command, it.environment, Stdio(read_fd, write_fd, 2))

    pid = with_server(it, body, "library")
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        assert pipe.read().count(b"x") == 40_000
    assert ending_of(pid) == 0
