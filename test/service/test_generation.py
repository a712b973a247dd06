"""One generation: each way in which it starts and ends, and the order of its steps."""

import asyncio
import os
import signal
import socket
from contextlib import closing
from dataclasses import replace

import pytest

from httpprocessproxy.config import AUTO, Readiness, RestartConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.process import InheritedSocket, LaunchSpec
from httpprocessproxy.service.generation import (
    GenerationOutcome,
)
from httpprocessproxy.service.waiter import Target
from test.children import NO_SUCH_PID, configured
from test.fakes import Listener
from test.generation import IMPATIENT, Life
from test.loops import eventually, on_every_loop


@on_every_loop
async def test_generation_becomes_ready_and_ends_when_the_process_exits() -> None:
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        child, born = life.generation.child, life.launcher.children
        assert child is born[0]
        born[0].exit(3)
    assert running.result() == GenerationOutcome(3, "exited with status 3")
    assert life.host.log == ["quiet", life.target, "end connections of 7"]
    assert life.generation.child is None
    assert life.host.said == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [(-9, "ended by signal SIGKILL"), (-40, "ended by signal 40"), (0, "exited with status 0")],
)
@on_every_loop
async def test_outcome_has_the_returncode_and_the_reason(code: int, reason: str) -> None:
    life = Life()
    life.launcher.listens = False
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        life.launcher.children[0].exit(code)
    assert running.result() == GenerationOutcome(code, reason)
    assert life.target not in life.host.log


@pytest.mark.parametrize(
    ("path", "first_requests"), [("/", 1), ("/health", 0)], ids=["any answer", "the one asked for"]
)
@on_every_loop
async def test_first_request_is_sent_unless_a_ping_path_is_given(
    path: str, first_requests: int
) -> None:
    life = Life(replace(configured(), readiness=Readiness("http", path)))
    life.launcher.listens = False
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        listener = Listener(port=life.config.address.port)
        await listener.serve()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
    assert life.host.first_requests == [life.target] * first_requests
    assert all(target.connection is not None for target in life.host.first_requests)
    listener.close()


@on_every_loop
async def test_command_that_cannot_be_spawned_has_no_returncode() -> None:
    life = Life()
    life.launcher.error = "cannot start 'serve'"
    assert await life.generation.run() == GenerationOutcome(None, "cannot start 'serve'")
    assert life.host.log == ["quiet"]


@on_every_loop
async def test_port_in_use_ends_the_generation_with_its_holder() -> None:
    life = Life(limits=IMPATIENT)
    with socket.create_server((life.config.address.host, life.config.address.port)):
        outcome = await life.generation.run()
    assert outcome.returncode is None
    assert f"{life.config.address} is in use by pid" in outcome.reason
    assert life.launcher.children == []


@on_every_loop
async def test_automatic_port_in_use_is_replaced_by_another() -> None:
    life = Life(replace(configured(), address=AUTO), limits=IMPATIENT)
    taken = life.launcher.launch_spec.address
    with socket.create_server(("127.0.0.1", taken.port)):
        async with asyncio.TaskGroup() as group:
            group.create_task(life.generation.run(), name="generation")
            await eventually(lambda: life.launcher.launch_spec.address != taken)
            now = life.launcher.launch_spec.address
            await life.happened(Target(GenerationId("web", 7), "127.0.0.1", now.port))
            life.launcher.children[0].exit(0)
    assert life.host.said[0].startswith(f"{taken} is in use by pid")
    assert life.host.said[0].endswith(f"; BACKEND is {now} now")


@on_every_loop
async def test_listener_outside_the_process_tree_is_accepted_and_reported() -> None:
    life = Life(pid=NO_SUCH_PID)
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        await eventually(lambda: bool(life.host.said))
        life.launcher.children[0].exit(0)
    (line,) = life.host.said
    assert f"{life.config.address} is served by a process outside" in line


# Stops


@on_every_loop
async def test_burst_in_progress_delays_the_start() -> None:
    life = Life()
    life.host.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        assert life.launcher.children == []
        life.host.is_quiet.set()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)


@on_every_loop
async def test_generation_stopped_during_the_burst_never_starts_a_process() -> None:
    life = Life()
    life.host.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        life.generation.stop.set()
        await eventually(lambda: life.host.log == ["quiet", "quiet"])
        assert not running.done()  # the next start would be stopped as well
        life.host.is_quiet.set()
    assert running.result().returncode is None
    assert life.launcher.children == []


@pytest.mark.parametrize("listens", [True, False])
@on_every_loop
async def test_stop_drains_requests_and_ends_connections_before_the_kill(
    listens: bool,
) -> None:
    config = configured(RestartConfig(kill_signal=signal.SIGTERM, kill_timeout_s=0.5))
    life = Life(config)
    life.launcher.listens = listens
    life.host.is_drained.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        if listens:
            await life.happened(life.target)
        life.generation.stop.set()
        await life.happened("drained")
        (child,) = life.launcher.children
        assert child.stops == []
        life.host.is_drained.set()
    assert child.stops == [(signal.SIGTERM, 0.5)]
    assert running.result() == GenerationOutcome(-signal.SIGTERM, "stopped")
    tail = ["drained", "end connections of 7", "quiet"]
    assert life.host.log[-3:] == tail


@on_every_loop
async def test_stop_and_exit_at_once_end_the_generation_once() -> None:
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.generation.stop.set()
        life.launcher.children[0].exit(1)
    assert running.result().returncode == 1
    assert life.host.log.count("end connections of 7") == 1
    assert len(life.launcher.children[0].stops) == 1  # its process tree may have survived it


@on_every_loop
async def test_stop_before_run_starts_no_process() -> None:
    life = Life()
    life.generation.stop.set()
    assert (await life.generation.run()).returncode is None
    assert life.launcher.children == []


# Cancellation, and bugs


@pytest.mark.parametrize("phase", ["quiet", "loading", "running", "draining"])
@on_every_loop
async def test_cancellation_in_any_phase_stops_the_process(phase: str) -> None:
    life = Life()
    life.launcher.listens = phase != "loading"
    if phase == "quiet":
        life.host.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        if phase == "quiet":
            await life.happened("quiet")
        elif phase == "loading":
            await eventually(lambda: bool(life.launcher.children))
        else:
            await life.happened(life.target)
        if phase == "draining":
            life.host.is_drained.clear()
            life.generation.stop.set()
            await life.happened("drained")
        running.cancel()
    assert running.cancelled()
    assert all(child.stops for child in life.launcher.children)
    assert len(life.launcher.children) == (phase != "quiet")


@on_every_loop
async def test_bug_in_the_supervisor_stops_the_process() -> None:
    life = Life()
    life.host.error = AssertionError("a bug")
    with pytest.raises(ExceptionGroup):
        await life.generation.run()
    assert life.launcher.children[0].stops
    assert life.host.log[-1] == "end connections of 7"


@on_every_loop
async def test_inherited_socket_needs_no_free_port_and_its_queue_is_reclaimed() -> None:
    life = Life()
    with closing(InheritedSocket(life.config.address)) as inherited:
        life.launcher.launch_spec = LaunchSpec(("serve", "{fd}"), AUTO, inherited=inherited)
        life.launcher.listens = False
        async with asyncio.TaskGroup() as group:
            running = group.create_task(life.generation.run(), name="generation")
            await eventually(inherited.has_waiting)
            assert life.target not in life.host.log, "the queue is not the server"
            server = socket.socket(fileno=os.dup(inherited.fd))
            server.accept()[0].close()
            await life.happened(life.target)
            waiting = socket.create_connection((inherited.address.host, inherited.address.port))
            life.generation.stop.set()
        assert running.result().reason == "stopped"
        assert life.host.log == [
            *("quiet", life.target, {waiting.getsockname()}),
            *("drained", "end connections of 7", set(), "quiet"),
        ]
        waiting.close()
        server.close()
