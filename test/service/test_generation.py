"""One life of a backend: every way in which it begins and ends, and what comes in which order."""

import asyncio
import os
import signal
import socket
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace

import pytest

from httpprocessproxy.config import AUTO, Config
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import InheritedSocket, LaunchSpec
from httpprocessproxy.service import generation as generation_module
from httpprocessproxy.service.gate import Target
from httpprocessproxy.service.generation import Generation, GenerationOutcome, Start
from test.children import NOBODY, FakeLauncher, configured
from test.fakes import Listener
from test.loops import eventually, on_every_loop


class FakeSurroundings:
    """Writes down what a generation asks, in `log`; an event that is cleared makes it wait."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.said: list[str] = []
        self.is_quiet = asyncio.Event()
        self.is_quiet.set()
        self.is_drained = asyncio.Event()
        self.is_drained.set()
        self.error: Exception | None = None
        self.scouts: list[Target] = []
        self.starts: list[Start] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def found(self, text: str) -> None:
        self.said.append(text)

    def names_reloader(self, text: str) -> None:
        self.said.append(text)

    def tail(self) -> bytes:
        return b""

    async def quiet(self) -> None:
        self.log.append("quiet")
        await self.is_quiet.wait()

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        self.scouts.append(target)
        return None

    def ready(self, target: Target) -> None:
        self.log.append(target)
        if self.error is not None:
            raise self.error

    def started(self, start: Start) -> None:
        self.starts.append(start)

    async def drained(self) -> None:
        self.log.append("drained")
        await self.is_drained.wait()

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        self.log.append(ends)

    def silence(self) -> Silence | None:
        return None

    def end_connections(self, generation: int) -> None:
        self.log.append(f"end connections of {generation}")


class Life:
    """A generation, number 7, that runs in a task of the test's group."""

    def __init__(self, config: Config | None = None, pid: int | None = None) -> None:
        self.config = config or configured()
        self.launcher = FakeLauncher(self.config.backend, pid)
        self.around = FakeSurroundings()
        self.generation = Generation(7, self.config, self.launcher, self.around)

    @property
    def target(self) -> Target:
        return Target(7, self.config.backend.host, self.config.backend.port)

    async def happened(self, event: object) -> None:
        await eventually(lambda: event in self.around.log)


@on_every_loop
async def test_it_becomes_ready_and_ends_by_itself() -> None:
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        child, born = life.generation.child, life.launcher.children
        assert child is born[0]
        born[0].exit(3)
    assert running.result() == GenerationOutcome(3, "exited with status 3")
    assert life.around.log == ["quiet", life.target, "end connections of 7"]
    assert life.generation.child is None
    assert life.around.said == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [(-9, "ended by signal SIGKILL"), (-40, "ended by signal 40"), (0, "exited with status 0")],
)
@on_every_loop
async def test_it_says_how_it_ended(code: int, reason: str) -> None:
    life = Life()
    life.launcher.listens = False
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        life.launcher.children[0].exit(code)
    assert running.result() == GenerationOutcome(code, reason)
    assert life.target not in life.around.log


@pytest.mark.parametrize(
    ("path", "scouts"), [("/", 1), ("/health", 0)], ids=["any answer", "the one asked for"]
)
@on_every_loop
async def test_a_request_that_waits_may_try_it_unless_a_path_was_named(
    path: str, scouts: int
) -> None:
    life = Life(replace(configured(), ping="http", ping_path=path))
    life.launcher.listens = False
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        listener = Listener(port=life.config.backend.port)
        await listener.serve()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
    assert life.around.scouts == [life.target] * scouts
    assert all(target.connection is not None for target in life.around.scouts)
    listener.close()


@on_every_loop
async def test_what_cannot_be_spawned_has_no_returncode() -> None:
    life = Life()
    life.launcher.error = "cannot start 'serve'"
    assert await life.generation.run() == GenerationOutcome(None, "cannot start 'serve'")
    assert life.around.log == ["quiet"]


@on_every_loop
async def test_a_port_that_another_holds_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_module, "PORT_TIMEOUT_S", 0.02)
    life = Life()
    with socket.create_server((life.config.backend.host, life.config.backend.port)):
        outcome = await life.generation.run()
    assert outcome.returncode is None
    assert f"{life.config.backend} is in use by pid" in outcome.reason
    assert life.launcher.children == []


@on_every_loop
async def test_a_chosen_port_that_another_took_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_module, "PORT_TIMEOUT_S", 0.02)
    life = Life(replace(configured(), backend=AUTO))
    taken = life.launcher.launch_spec.address
    with socket.create_server(("127.0.0.1", taken.port)):
        async with asyncio.TaskGroup() as group:
            group.create_task(life.generation.run(), name="generation")
            await eventually(lambda: life.launcher.launch_spec.address != taken)
            now = life.launcher.launch_spec.address
            await life.happened(Target(7, "127.0.0.1", now.port))
            life.launcher.children[0].exit(0)
    assert life.around.said[0].startswith(f"{taken} is in use by pid")
    assert life.around.said[0].endswith(f"; BACKEND is {now} now")


@on_every_loop
async def test_a_port_that_becomes_free_is_waited_for() -> None:
    life = Life()
    holding = socket.create_server((life.config.backend.host, life.config.backend.port))
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: "quiet" in life.around.log)
        holding.close()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)


@on_every_loop
async def test_a_listener_outside_the_tree_is_accepted_and_said() -> None:
    life = Life(pid=NOBODY)
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        await eventually(lambda: bool(life.around.said))
        life.launcher.children[0].exit(0)
    (line,) = life.around.said
    assert f"{life.config.backend} is served by a process outside" in line


# Being stopped


@on_every_loop
async def test_a_burst_that_goes_on_delays_the_start() -> None:
    life = Life()
    life.around.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        assert life.launcher.children == []
        life.around.is_quiet.set()
        await life.happened(life.target)
        life.launcher.children[0].exit(0)


@on_every_loop
async def test_stopped_in_the_burst_it_is_never_started() -> None:
    life = Life()
    life.around.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened("quiet")
        life.generation.stop.set()
        await eventually(lambda: life.around.log == ["quiet", "quiet"])
        assert not running.done()  # the next start would only be stopped as well
        life.around.is_quiet.set()
    assert running.result().returncode is None
    assert life.launcher.children == []


@pytest.mark.parametrize("listens", [True, False])
@on_every_loop
async def test_stopped_it_waits_for_unsafe_requests_and_ends_connections_before_the_kill(
    listens: bool,
) -> None:
    config = replace(configured(), kill_signal=signal.SIGTERM, kill_timeout_s=0.5)
    life = Life(config)
    life.launcher.listens = listens
    life.around.is_drained.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        if listens:
            await life.happened(life.target)
        life.generation.stop.set()
        await life.happened("drained")
        (child,) = life.launcher.children
        assert child.stops == []
        life.around.is_drained.set()
    assert child.stops == [(signal.SIGTERM, 0.5)]
    assert running.result() == GenerationOutcome(-signal.SIGTERM, "stopped")
    tail = ["drained", "end connections of 7", "quiet"]
    assert life.around.log[-3:] == tail


@on_every_loop
async def test_stopped_and_ended_at_once_it_is_over_once() -> None:
    life = Life()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.generation.stop.set()
        life.launcher.children[0].exit(1)
    assert running.result().returncode == 1
    assert life.around.log.count("end connections of 7") == 1
    assert len(life.launcher.children[0].stops) == 1  # its tree may be there still


@on_every_loop
async def test_stop_may_come_before_run() -> None:
    life = Life()
    life.generation.stop.set()
    assert (await life.generation.run()).returncode is None
    assert life.launcher.children == []


# Cancellation, and mistakes of ours


@pytest.mark.parametrize("phase", ["quiet", "loading", "running", "draining"])
@on_every_loop
async def test_cancelled_it_leaves_nothing_behind(phase: str) -> None:
    life = Life()
    life.launcher.listens = phase != "loading"
    if phase == "quiet":
        life.around.is_quiet.clear()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.generation.run(), name="generation")
        if phase == "quiet":
            await life.happened("quiet")
        elif phase == "loading":
            await eventually(lambda: bool(life.launcher.children))
        else:
            await life.happened(life.target)
        if phase == "draining":
            life.around.is_drained.clear()
            life.generation.stop.set()
            await life.happened("drained")
        running.cancel()
    assert running.cancelled()
    assert all(child.stops for child in life.launcher.children)
    assert len(life.launcher.children) == (phase != "quiet")


@on_every_loop
async def test_a_mistake_of_ours_leaves_nothing_behind() -> None:
    life = Life()
    life.around.error = AssertionError("a bug")
    with pytest.raises(ExceptionGroup):
        await life.generation.run()
    assert life.launcher.children[0].stops
    assert life.around.log[-1] == "end connections of 7"


@on_every_loop
async def test_with_a_socket_of_ours_nothing_is_in_the_way_and_what_waits_is_taken_back() -> None:
    life = Life()
    with closing(InheritedSocket(life.config.backend)) as inherited:
        life.launcher.launch_spec = LaunchSpec(("serve", "{fd}"), AUTO, inherited=inherited)
        life.launcher.listens = False
        async with asyncio.TaskGroup() as group:
            running = group.create_task(life.generation.run(), name="generation")
            await eventually(inherited.has_waiting)
            assert life.target not in life.around.log, "the queue is not the server"
            server = socket.socket(fileno=os.dup(inherited.fd))
            server.accept()[0].close()
            await life.happened(life.target)
            waiting = socket.create_connection((inherited.address.host, inherited.address.port))
            life.generation.stop.set()
        assert running.result().reason == "stopped"
        assert life.around.log == [
            *("quiet", life.target, {waiting.getsockname()}),
            *("drained", "end connections of 7", set(), "quiet"),
        ]
        waiting.close()
        server.close()
