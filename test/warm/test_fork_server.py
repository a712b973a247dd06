"""The fork server, from the proxy's side: its forks, refusals and end."""

import asyncio
import os
import select
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.warm import ForkError, ForkServer, ImportRecord, PythonCommand, Stdio
from test.deadline import PATIENCE_S
from test.warm.program import Program
from test.warm.servers import SILENT, output, pids_of, project, with_server
from test.warm.starts import Project, ending_of, new_tree, pipes


def test_duration_memory_and_skipped_modules_are_known_when_ready(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        assert (server.is_ready, server.ready_after_s) == (False, None)
        await server.ready()
        assert server.is_ready
        assert server.ready_after_s is not None
        assert 0 < server.ready_after_s < PATIENCE_S
        assert server.memory_bytes() > 1_000_000
        assert server.skipped == {"broken": "ValueError: at import"}

    broken = "raise ValueError('at import')"
    with_server(project(folder, "", broken=broken), body, "decimal", "broken")


def test_modules_are_loaded_once_for_all_forks(folder: Path) -> None:
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
    # numpy has its own generator, with the same state in every fork.
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


def test_fork_gets_environment_and_own_pid(folder: Path) -> None:
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


def test_descriptors_get_requested_numbers(folder: Path) -> None:
    main = "import os; print(os.read(3, 9), os.read(5, 9))\n"
    # Descriptors that the test runner leaks to its children have higher numbers.
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
        # 4 is the descriptor of the listed directory.
        expected = "b'three' b'five'\n['0', '1', '2', '3', '4', '5']\n"
        assert with_server(it, body) == expected
    finally:
        for fd in (one, one_end, other, other_end):
            os.close(fd)


def test_terminal_becomes_controlling_terminal(folder: Path) -> None:
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
        while seen.count(b"\n") < 2:  # a terminal may split the output into pieces
            assert select.select([master_fd], [], [], PATIENCE_S)[0]
            seen += os.read(master_fd, 1000)
        assert seen == b"typed\r\nTrue True typed\r\n"
    finally:
        os.close(master_fd)
        os.close(slave_fd)


def test_fork_is_child_of_caller_in_own_session(folder: Path) -> None:
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


def test_fork_outlives_server(folder: Path) -> None:
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


def test_exit_leaves_no_process_and_no_descriptor(folder: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))

    async def body(server: ForkServer) -> list[int]:
        await server.ready()
        return pids_of(server)

    pids = with_server(project(folder, ""), body)
    assert len(pids) == 2
    assert not any(linux.find(pid) for pid in pids)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_new_project_file_that_hides_module_fails_fork(folder: Path) -> None:
    it = project(folder, "import decimal; print(decimal.__file__)")

    async def body(server: ForkServer) -> None:
        await server.ready()
        it.write({"decimal.py": ""})
        with pytest.raises(ForkError, match="the project has a module decimal now"):
            await server.fork(it.command, it.environment, SILENT)
        (folder / "decimal.py").unlink()
        assert "lib/python" in await output(it, server)

    with_server(it, body, "decimal")


def test_program_in_another_folder_fails_fork(folder: Path) -> None:
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


def test_missing_terminal_fails_fork(folder: Path) -> None:
    it = project(folder, "")

    async def body(server: ForkServer) -> None:
        await server.ready()
        with pytest.raises(ForkError, match="No such file or directory: '/dev/pts/none'"):
            await server.fork(it.command, it.environment, Stdio(terminal="/dev/pts/none"))
        await server.ready()

    with_server(it, body)


def test_missing_interpreter_fails_start(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand("no-such-python", (), file="main.py")
        with pytest.raises(ForkError, match="cannot start 'no-such-python': No such file"):
            async with ForkServer(command, ImportRecord(()), dict(os.environ), new_tree()):
                pass

    asyncio.run(main())


def test_old_interpreter_ends_server(folder: Path) -> None:
    old = folder / "python2"
    old.write_text("#!/bin/sh\necho 'warm starts need CPython 3.8 or later' >&2; exit 1\n")
    old.chmod(0o755)

    async def main() -> str:
        command = PythonCommand(str(old), (), file="main.py")
        async with ForkServer(command, ImportRecord(()), dict(os.environ), new_tree()) as server:
            return await server.ended()

    assert asyncio.run(main()) == "warm starts need CPython 3.8 or later"


@pytest.mark.parametrize(
    "imports",
    ["import leaf, other", "try:\n    import leaf, other, none\nexcept ImportError: pass"],
)
def test_importer_that_opens_descriptor_is_skipped_and_not_its_imports(
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
        # The first server detects it, and the second one refuses to import it.
        assert server.skipped == {"opener": "Foreign: opener"}

    with_server(project(folder, "", **modules), body, "opener", "holder", "leaf", "other")


def test_failing_module_that_opens_descriptor_is_skipped(folder: Path) -> None:
    async def body(server: ForkServer) -> None:
        await server.ready()
        assert server.skipped["opener"] == "Foreign: opener"

    opener = "import os\nos.dup(0)\nraise ImportError"
    user = "try:\n    import opener\nexcept ImportError: pass"
    with_server(project(folder, "", opener=opener, user=user), body, "opener", "user")


def test_record_with_gevent_fails_start(folder: Path) -> None:
    async def main() -> None:
        command = PythonCommand(sys.executable, (), file="main.py")
        record = ImportRecord(("os", "gevent"))
        with pytest.raises(ForkError, match="gevent has to be imported before all else"):
            async with ForkServer(command, record, dict(os.environ), new_tree()):
                pass

    asyncio.run(main())


def test_consecutive_forks_wait_for_next_standby_process(folder: Path) -> None:
    """Each fork waits until the next standby process is ready."""
    it = project(folder, "")

    async def body(server: ForkServer) -> None:
        await server.ready()
        for _ in range(5):
            assert server.is_ready
            pid = await server.fork(it.command, it.environment, SILENT, timeout_s=PATIENCE_S)
            assert ending_of(pid) == 0

    with_server(it, body)


def test_captured_output_blocks_fork_and_not_caller(folder: Path) -> None:
    """The fork prints the output of the imports itself, so a full pipe blocks only the fork."""
    it = project(folder, "", library="print(40_000 * 'x')")
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    # Fill the pipe.
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


def test_program_of_another_folder_runs_and_imports_there(folder: Path) -> None:
    main = "import os, sys; print(os.getcwd(), sys.path[0], __import__('beside').TEXT)"
    it = project(folder, main)
    below = folder / "below"
    it.write({"below/main.py": main, "below/beside.py": "TEXT = 'below'"})
    command = replace(it.command, folder=below)

    async def body() -> str:
        async with ForkServer(command, ImportRecord(()), it.environment, new_tree()) as server:
            await server.ready()
            with pipes("") as (fds, taken):
                pid = await server.fork(command, it.environment, Stdio(*fds))
                return (await asyncio.to_thread(taken, pid)).stdout

    assert asyncio.run(body()) == f"{below} {below} below\n"
