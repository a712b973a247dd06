"""The startup of services without a port and of tasks, and their generations."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from httpprocessproxy.config import NOWHERE, Readiness, ServiceConfig, WatchConfig
from httpprocessproxy.events import Notice
from httpprocessproxy.process import LaunchSpec
from httpprocessproxy.service.generation import GenerationLimits, GenerationOutcome
from httpprocessproxy.service.startup import Startup
from test.children import configured
from test.generation import Life
from test.loops import eventually, on_every_loop
from test.several import Several, running, service


def portless(config: ServiceConfig | None = None) -> ServiceConfig:
    return replace(config or configured(), address=NOWHERE)


def begun(config: ServiceConfig) -> Life:
    life = Life(config, limits=GenerationLimits(owner_check_s=0))
    life.launcher.listens = config.has_port and not config.is_task
    return life


@on_every_loop
async def test_service_without_a_port_is_ready_at_once_and_has_no_target() -> None:
    life = begun(portless())
    async with asyncio.TaskGroup() as group:
        running_ = group.create_task(life.generation.run(), name="generation")
        await life.happened(None)
        life.launcher.children[0].exit(3)
    assert running_.result() == GenerationOutcome(3, "exited with status 3")
    assert life.host.said == []


@on_every_loop
async def test_service_without_a_port_is_not_watched_for_silence() -> None:
    life = begun(portless())
    child = life.launcher.spawn()
    startup = Startup(life.generation.id, life.config, life.launcher, life.host)
    assert await startup.ready(child) is None
    await startup.check(child)
    await startup.watch()  # returns
    assert life.host.said == []


@on_every_loop
async def test_task_is_ready_when_it_is_done_and_ends_when_it_is_stopped() -> None:
    life = begun(portless(replace(configured(), is_task=True)))
    async with asyncio.TaskGroup() as group:
        running_ = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        child = life.launcher.children[0]
        assert None not in life.host.log
        child.exit(0)
        await life.happened(None)
        assert life.generation.child is None
        assert not child.stops
        life.generation.stop.set()
    assert running_.result().returncode == 0
    assert child.stops, "the processes that it left are ended"


@pytest.mark.parametrize("code", [1, -9])
@on_every_loop
async def test_task_that_fails_ends_its_generation(code: int) -> None:
    life = begun(portless(replace(configured(), is_task=True)))
    async with asyncio.TaskGroup() as group:
        running_ = group.create_task(life.generation.run(), name="generation")
        await eventually(lambda: bool(life.launcher.children))
        life.launcher.children[0].exit(code)
    assert running_.result().returncode == code
    assert None not in life.host.log


@on_every_loop
async def test_task_runs_again_after_a_change_and_holds_its_dependents() -> None:
    migrate = portless(service("migrate", patterns=["migrations/*"], is_task=True))
    several = Several(service("api", needs=["migrate"]), migrate)
    several.launchers["migrate"].listens = False
    async with running(several):
        for generation in (1, 2):
            await eventually(partial(has_started, several, generation))
            several.child("migrate").exit(0)
            await several.reached("running", generation, "migrate")
            await several.reached("running", 1, "api")
            status = several.services["migrate"].status()
            assert (status.task, status.pid) == (True, None)
            several.services.changed(frozenset({"migrations/1.py"}))
        await eventually(partial(has_started, several, 3))
        waiter = several.ask("api")
        several.child("migrate").exit(1)
        await several.reached("error", 3, "migrate")
        assert waiter.problem is not None
        assert "exited with status 1" in waiter.problem.detail
        assert len(several.launchers["api"].children) == 1


@on_every_loop
async def test_own_reloader_is_not_reported_if_no_file_restarts_the_service() -> None:
    config = replace(configured(), watch=WatchConfig(restarts=False))
    life = Life(config)
    life.launcher.launch_spec = LaunchSpec(("flask", "--debug", "run"), config.address)
    async with asyncio.TaskGroup() as group:
        group.create_task(life.generation.run(), name="generation")
        await life.happened(life.target)
        life.launcher.children[0].exit(0)
    assert life.host.said == []


def has_started(several: Several, count: int) -> bool:
    """Whether the migration has been started `count` times."""
    return len(several.launchers["migrate"].children) == count


@on_every_loop
async def test_slow_start_without_a_port_is_reported_without_an_address() -> None:
    worker = portless(service("worker"))
    worker = replace(
        worker,
        restart=replace(worker.restart, start_timeout_s=0.01),
        readiness=Readiness("log", text="up"),
    )
    several = Several(worker)
    several.launchers["worker"].listens = False
    async with running(several):
        said = several.bus.recent
        await eventually(lambda: bool(said(Notice)))
        assert said(Notice)[0].text == "the start takes longer than --start-timeout (0.01 s)"
