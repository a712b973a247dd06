"""The process of a build: its end, its cancellation, and the processes that it leaves."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from httpprocessproxy.process import Launcher, LaunchSpec, Output, ProcessTrees
from httpprocessproxy.service.build_process import BuildProcess
from test.process.generations import until, with_output


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def building(script: str, test: Callable[[BuildProcess, Launcher], Awaitable[None]]) -> None:
    """Run a test with the build of a server, whose process the test may start."""

    async def main(output: Output) -> None:
        tree = ProcessTrees().add("web")
        server = Launcher(LaunchSpec(shell("(setsid sleep 1000 &); exec sleep 1000")), output, tree)
        await test(BuildProcess(shell(script), server), server)

    with_output(main)


def ended(script: str) -> str | None:
    results: list[str | None] = []

    async def test(build: BuildProcess, _: Launcher) -> None:
        results.append(await build.run(asyncio.Event(), is_alone=False))

    building(script, test)
    return results[0]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_end_has_a_reason_unless_the_build_succeeds() -> None:
    assert ended("exit 0") == ""
    assert ended("exit 3") == "ended with exit status 3"
    assert ended("kill -TERM $$") == "was ended by signal SIGTERM"


def test_command_that_cannot_be_started_fails() -> None:
    async def main(output: Output) -> None:
        server = Launcher(LaunchSpec(("serve",)), output, ProcessTrees().add("web"))
        build = BuildProcess(("no-such-command", "a b"), server)
        assert build.command == "no-such-command 'a b'"
        reason = await build.run(asyncio.Event(), is_alone=False)
        assert reason == "cannot start 'no-such-command': No such file or directory"
        await build.end()

    with_output(main)


def test_output_takes_the_place_of_the_servers_only_if_no_server_runs() -> None:
    async def test(build: BuildProcess, server: Launcher) -> None:
        assert await build.run(asyncio.Event(), is_alone=False) == ""
        assert build.output == b"built\n"
        assert server.output.tail == b""
        assert await build.run(asyncio.Event(), is_alone=True) == ""
        assert server.output.tail == b"built\n"
        assert await build.run(asyncio.Event(), is_alone=False) == ""
        assert build.output == b"built\n"

    building("echo built", test)


def test_cancelled_build_ends_with_its_whole_tree_and_leaves_the_server_alone(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    # A process in the group, a daemon, and a child of each.
    script = f"""
    exec > /dev/null
    sh -c 'echo $$ >> {pids}; sleep 1000; true' &
    setsid sh -c '(echo $$ >> {pids}; sleep 1000; true) & sleep 1000; true' &
    trap '' TERM
    echo $$ >> {pids}
    echo ready >> {pids}
    wait
    """

    async def test(build: BuildProcess, server: Launcher) -> None:
        child = server.spawn()

        def of_server() -> list[tuple[int, str]]:
            return [(process.pid, process.name) for process in server.tree.members(child.pid)]

        await until(lambda: [name for _, name in of_server()] == ["sleep", "sleep"])
        left_by_server = of_server()
        cancelled = asyncio.Event()

        async def cancel() -> None:
            await until(lambda: pids.exists() and "ready" in pids.read_text())
            await until(lambda: len(pids.read_text().split()) == 4)
            cancelled.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(cancel(), name="cancel")
            assert await build.run(cancelled, is_alone=False) is None
        found = [int(word) for word in pids.read_text().split() if word.isdecimal()]
        assert len(found) == 3
        assert not any(map(exists, found))
        assert of_server() == left_by_server
        await child.stop()

    building(script, test)


def test_stop_of_the_server_leaves_the_build_and_its_orphans_alone(tmp_path: Path) -> None:
    pid, gate = tmp_path / "pid", tmp_path / "gate"
    os.mkfifo(gate)
    script = f"(setsid sh -c 'echo $$ > {pid}; exec sleep 1000' > /dev/null 2>&1 &); cat {gate}"

    async def test(build: BuildProcess, server: Launcher) -> None:
        child = server.spawn()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(build.run(asyncio.Event(), is_alone=False), name="build")
            await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
            await child.stop()
            assert exists(int(pid.read_text()))
            await asyncio.to_thread(gate.write_text, "go on")
        assert running.result() == ""
        # A compiler's daemon serves the next build, and ends with the program.
        assert exists(int(pid.read_text()))
        await build.end()
        assert not exists(int(pid.read_text()))

    building(script, test)


def test_cancellation_of_the_task_ends_the_build(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def test(build: BuildProcess, _: Launcher) -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(build.run(asyncio.Event(), is_alone=False), name="build")
            await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
            running.cancel()
        assert not exists(int(pid.read_text()))

    building(f"echo $$ > {pid}; sleep 1000", test)
