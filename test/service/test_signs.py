"""Signs of readiness: lines, commands and notifications of real processes."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import NOWHERE, Readiness
from httpprocessproxy.process import (
    Child,
    Launcher,
    LaunchSpec,
    ProcessTree,
    ProcessTrees,
    become_subreaper,
)
from httpprocessproxy.service import diagnosis
from httpprocessproxy.service.signs import (
    LogLine,
    Notification,
    ProcessStarted,
    ReadyCommand,
    Sign,
    sign_of,
)
from httpprocessproxy.service.startup import Startup
from test.children import configured
from test.generation import Life
from test.loops import eventually, on_every_loop
from test.process.generations import one_output, python

NOTIFY = """
import os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.connect(os.environ["NOTIFY_SOCKET"])
    for line in sys.argv[1:]:
        sock.send(line.encode().replace(b"|", b"\\n"))
import time; time.sleep(1000)
"""


@contextlib.contextmanager
def launcher_of(*command: str) -> Iterator[Launcher]:
    """A launcher of a command in a process tree of its own."""
    become_subreaper()
    with one_output() as output:
        yield Launcher(LaunchSpec(command, NOWHERE), output, ProcessTrees().add("web"))


async def is_shown(sign: Sign) -> None:
    async with asyncio.timeout(20):
        await sign.shown()


@pytest.mark.parametrize(
    ("readiness", "kind"),
    [
        (Readiness("start"), ProcessStarted),
        (Readiness(), ProcessStarted),
        (Readiness("log", text="up"), LogLine),
        (Readiness("exec", command=("true",)), ReadyCommand),
        (Readiness("notify"), Notification),
    ],
)
@on_every_loop
async def test_sign_is_that_of_the_readiness_check(readiness: Readiness, kind: type) -> None:
    with launcher_of("true") as launcher:
        assert type(sign_of(replace(configured(), readiness=readiness), launcher)) is kind


@on_every_loop
async def test_process_is_ready_at_its_start() -> None:
    sign = ProcessStarted()
    with sign.open():
        sign.expect()
        await is_shown(sign)
    assert sign.missing()


# Lines


@on_every_loop
async def test_line_of_each_generation_is_awaited() -> None:
    with launcher_of("sh", "-c", "echo warming; sleep 0.05; echo 'is ready to go'") as launcher:
        sign = LogLine(launcher, "ready to")
        with sign.open():
            for _ in range(2):
                sign.expect()
                assert "'ready to'" in sign.missing()
                child = launcher.spawn()
                await is_shown(sign)
                await child.stop()
            assert sign.missing().endswith("its last output: is ready to go")


@on_every_loop
async def test_line_that_does_not_come_is_not_shown() -> None:
    with launcher_of("echo", "warming") as launcher:
        sign = LogLine(launcher, "ready")
        sign.expect()
        child = launcher.spawn()
        await child.wait()
        assert not sign._found.is_set()
        assert sign.missing() == (
            "no line of the output contains 'ready' yet, its last output: warming"
        )


# Commands


@on_every_loop
async def test_command_is_repeated_until_it_succeeds(tmp_path: Path) -> None:
    asked, is_up = tmp_path / "asked", tmp_path / "up"
    with launcher_of("true") as launcher:
        command = f"echo asked; echo asked >> {asked}; test -e {is_up}"
        sign = ReadyCommand(launcher, ("sh", "-c", command))
        with sign.open():
            sign.expect()
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(is_shown(sign), name="shown")
                await eventually(lambda: asked.exists() and asked.read_text().count("asked") > 1)
                assert not waiting.done()
                assert sign.missing().endswith("exits with 1")
                is_up.touch()
        assert sign._launcher.output.tail == b"", "the checks print nothing"


@on_every_loop
async def test_command_that_hangs_is_ended_and_repeated(tmp_path: Path) -> None:
    file = tmp_path / "hung"
    command = f"test -e {file} && exit 0; touch {file}; setsid sleep 1000 & sleep 1000"
    with launcher_of("true") as launcher:
        sign = ReadyCommand(launcher, ("sh", "-c", command), timeout_s=0.2)
        sign.expect()
        async with asyncio.TaskGroup() as group:
            group.create_task(is_shown(sign), name="shown")
            await eventually(lambda: "longer than 0.2 s" in sign.missing())
        assert sign._launcher.tree.orphans() == []


@on_every_loop
async def test_missing_command_is_named() -> None:
    with launcher_of("true") as launcher:
        sign = ReadyCommand(launcher, ("no-such-command", "--it"))
        sign.expect()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(sign.shown(), name="shown")
            await eventually(lambda: "exits with 127" in sign.missing())
            waiting.cancel()
        assert sign.missing().startswith("`no-such-command --it`")


@on_every_loop
async def test_check_that_cannot_be_started_is_repeated(tmp_path: Path) -> None:
    with launcher_of("true") as launcher:
        launcher.launch_spec._env_file = tmp_path / "missing.env"
        sign = ReadyCommand(launcher, ("true",))
        sign.expect()
        async with asyncio.TaskGroup() as group:
            group.create_task(is_shown(sign), name="shown")
            await eventually(lambda: "cannot be started" in sign.missing())
            (tmp_path / "missing.env").touch()


@on_every_loop
async def test_command_is_ended_when_the_wait_is_cancelled() -> None:
    with launcher_of("true") as launcher:
        sign = ReadyCommand(launcher, ("sleep", "1000"))
        sign.expect()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(sign.shown(), name="shown")
            tree = sign._launcher.tree
            await eventually(lambda: bool(running_in(tree)))
            waiting.cancel()
        assert running_in(tree) == []


def running_in(tree: ProcessTree) -> list[int]:
    """The processes that are registered for a service."""
    registered = tree._trees.claims.registered
    return [pid for pid, owner in registered.items() if owner == tree.service]


# Notifications


@on_every_loop
async def test_notification_is_awaited_of_each_generation() -> None:
    with launcher_of(*python(NOTIFY, "STATUS=warm", "MAINPID=1|READY=1")) as launcher:
        sign = Notification(launcher)
        with sign.open():
            for _ in range(2):
                sign.expect()
                assert "READY=1" in sign.missing()
                child = launcher.spawn()
                await is_shown(sign)
                await child.stop()


@on_every_loop
async def test_other_messages_are_no_notification() -> None:
    with launcher_of("true") as launcher:
        sign = Notification(launcher)
        with sign.open(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sign.expect()
            sock.connect(launcher.tree.environment["NOTIFY_SOCKET"])
            sock.send(b"READY=10\nNOT READY=1")
            sock.send(b"READY=1")
            sock.send(b"WATCHDOG=1")
            sign.expect()  # drops those of an earlier generation
            sock.send(b"STOPPING=1\n")
            sign._read()
            assert not sign._came.is_set()
            sock.send(b"STATUS=up\nREADY=1\n")
            await is_shown(sign)


# Startups


@on_every_loop
async def test_service_with_a_port_and_a_sign_gets_its_requests_at_the_open_port() -> None:
    life = Life(replace(configured(), readiness=Readiness("start")))
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.launcher.children[0].exit(0)


@on_every_loop
async def test_service_without_an_open_port_is_reached_at_its_first_host() -> None:
    life = Life(replace(configured(), readiness=Readiness("start")))
    life.launcher.listens = False
    child: Child = life.launcher.spawn()
    startup = Startup(life.generation.id, life.config, life.launcher, life.host)
    assert await startup.ready(child) == life.target


@on_every_loop
async def test_missing_sign_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "FIRST_LOOKS_S", (0.01,))
    life = Life(replace(configured(), readiness=Readiness("log", text="up")))
    life.host.sign = LogLine(life.launcher, "up")
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.host.said))
        life.launcher.children[0].exit(0)
    assert life.host.said == ["not ready after 0.01 s: no line of the output contains 'up' yet"]
