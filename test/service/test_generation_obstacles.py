"""Obstacles of a generation: taken ports, processes that do not end, silent and watched servers."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import (
    InheritedSocket,
    LaunchSpec,
    ProcessTree,
    ProcessTrees,
    StopError,
    reserved_port,
)
from httpprocessproxy.service import diagnosis
from httpprocessproxy.service.generation import GenerationLimits, GenerationOutcome
from test import deadline
from test.children import NO_SUCH_PID, FakeChild
from test.deadline import PATIENCE_S
from test.generation import IMPATIENT, Life
from test.loops import eventually, on_every_loop


@on_every_loop
async def test_port_in_use_without_a_free_one_ends_the_generation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_none(hosts: object, reserve: object) -> int:
        raise UserError("no free port was found")

    life = Life(limits=IMPATIENT)
    life.launcher.launch_spec = LaunchSpec(("serve",), AUTO)
    address = life.launcher.launch_spec.address
    monkeypatch.setattr(reserved_port, "find_free_port", find_none)
    with socket.create_server(("127.0.0.1", address.port)):
        outcome = await life.generation.run()
    assert outcome.returncode is None
    assert outcome.reason.startswith(f"{address} is in use by pid")
    assert outcome.reason.endswith("; no free port was found")


@pytest.mark.parametrize("is_stopped", [False, True])
@on_every_loop
async def test_cold_retry_of_a_warm_start_needs_the_port_as_well(
    is_stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(limits=IMPATIENT)
    life.launcher.is_warm, life.launcher.listens = True, False
    address = life.config.address
    with ExitStack() as stack:

        def give_up(why: str) -> None:
            """Take the port after the crash and before the retry."""
            stack.enter_context(socket.create_server((address.host, address.port)))
            if is_stopped:
                life.generation.stop.set()

        monkeypatch.setattr(life.launcher, "give_up_warm_starts", give_up)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(life.generation.run(), name="generation")
            await eventually(lambda: bool(life.launcher.children))
            life.launcher.children[0].exit(-signal.SIGSEGV)
    signal_end = GenerationOutcome(-signal.SIGSEGV, "ended by signal SIGSEGV")
    if is_stopped:
        assert running.result() == signal_end
    else:
        assert f"{address} is in use by pid" in running.result().reason
    assert len(life.launcher.children) == 1


@pytest.fixture
def orphan() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts an orphan, as the tree sees it: an unregistered child in a session of its own."""
    with ExitStack() as started:

        def start() -> subprocess.Popen[bytes]:
            process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            started.callback(process.wait, PATIENCE_S)
            started.callback(process.kill)
            # For a moment after execve(2) a process has no words.
            deadline.eventually(Path(f"/proc/{process.pid}/cmdline").read_bytes)
            return process

        yield start


Orphan = Callable[[], "subprocess.Popen[bytes]"]


@on_every_loop
async def test_process_of_the_last_start_is_ended_and_reported(orphan: Orphan) -> None:
    life, left = Life(), orphan()
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
    assert life.host.said == [f"ended a process of the last start: {left.pid} (sleep 1000)"]


@on_every_loop
async def test_process_that_a_server_leaves_at_its_end_is_named(orphan: Orphan) -> None:
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        left = orphan()
        await eventually(lambda: [one.pid for one in life.launcher.tree.orphans()] == [left.pid])
        life.launcher.children[0].exit(0)
    outcome = running.result()
    assert outcome.reason.startswith(f"exited with status 0, but left {left.pid} (sleep 1000)")


class StuckTree(ProcessTree):
    """A tree with a process that does not end."""

    async def sweep(self) -> list[str]:
        raise StopError("pid 12 does not end")


@on_every_loop
async def test_process_of_the_last_start_that_stays_prevents_the_next() -> None:
    life, trees = Life(), ProcessTrees()
    trees.add("web")
    life.launcher.tree = StuckTree(trees, "web")
    assert await life.generation.run() == GenerationOutcome(None, "pid 12 does not end")
    assert life.launcher.children == []


@on_every_loop
async def test_listener_on_an_inherited_socket_needs_no_check_of_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same listener, outside the process tree, is reported if it has a port of its own."""
    monkeypatch.setattr(diagnosis, "SILENCE_LOOKS_S", 0.001)
    looks: list[None] = []
    for is_inherited in (True, False):
        life = Life(pid=NO_SUCH_PID, limits=GenerationLimits(owner_check_s=0.0))
        monkeypatch.setattr(life.host, "silence", lambda: looks.append(None))
        with closing(InheritedSocket(life.config.address)) as inherited:
            if is_inherited:
                spec = LaunchSpec(("serve",), inherited.address, None, inherited)
                life.launcher.launch_spec, life.launcher.listens = spec, False
            else:
                inherited.close()
            async with asyncio.TaskGroup() as group:
                group.create_task(life.generation.run(), name="generation")
                if is_inherited:
                    await eventually(inherited.has_waiting)
                    with socket.socket(fileno=os.dup(inherited.fd)) as server:
                        server.accept()[0].close()
                looks.clear()
                await eventually(lambda: bool(looks))
                life.launcher.children[0].exit(0)
        assert bool(life.host.said) is not is_inherited


@on_every_loop
async def test_process_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop(child: FakeChild, *limits: object) -> int:
        child.exit(0)
        raise StopError("a process does not end")

    monkeypatch.setattr(FakeChild, "stop", stop)
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.generation.stop.set()
    assert running.result() == GenerationOutcome(-signal.SIGKILL, "stopped")
    assert life.host.said == ["a process does not end"]


@on_every_loop
async def test_command_with_its_own_reloader_is_reported() -> None:
    life = Life()
    life.launcher.launch_spec = LaunchSpec(("uvicorn", "--reload", "app:app"), life.config.address)
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
    assert "reload" in life.host.said[0]


@on_every_loop
async def test_start_without_an_answer_is_diagnosed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "FIRST_LOOKS_S", (0.01,))
    life = Life()
    life.launcher.listens = False
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.host.said))
        life.launcher.children[0].exit(0)
    assert life.host.said[0].startswith("no answer after 0.01 s: ")


@on_every_loop
async def test_inherited_socket_is_ready_once_the_server_accepts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life()
    life.launcher.listens = False
    address = Address("127.0.0.1", life.config.address.port)
    inherited = InheritedSocket(address)
    life.launcher.launch_spec = LaunchSpec(("serve",), address, None, inherited)
    with closing(inherited), socket.socket(fileno=os.dup(inherited.fd)) as server:
        async with asyncio.TaskGroup() as group:
            group.create_task(life.generation.run(), name="generation")
            await eventually(inherited.has_waiting)
            assert life.target not in life.host.log
            server.accept()[0].close()
            await life.happened(life.target)
            await eventually(lambda: bool(life.launcher.children))
            life.launcher.children[0].exit(0)
    assert life.host.said == []


@on_every_loop
async def test_start_waits_for_a_build_and_fails_with_its_obstacle() -> None:
    life = Life()
    life.host.is_built.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        assert life.launcher.children == []
        life.host.obstacle = "before failed"
        life.host.is_built.set()
    assert running.result() == GenerationOutcome(None, "before failed")
    assert life.launcher.children == []


@on_every_loop
async def test_stop_ends_the_wait_for_a_build() -> None:
    life = Life()
    life.host.is_built.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        life.generation.stop.set()
    assert running.result() == GenerationOutcome(None, "stopped before it was started")
    assert life.launcher.children == []


@on_every_loop
async def test_start_waits_for_a_port_that_becomes_free() -> None:
    life = Life()
    holding = socket.create_server((life.config.address.host, life.config.address.port))
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: "quiet" in life.host.log)
        holding.close()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
