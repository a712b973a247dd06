"""Services side by side: names, commands for all of them, and a bug in one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import RestartConfig, WatchConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.events import EventBus, StateChanged
from httpprocessproxy.service.external import ExternalService
from httpprocessproxy.service.service import Service
from httpprocessproxy.service.services import Services
from httpprocessproxy.watch import Scope
from test.children import FakeLauncher, configured
from test.loops import eventually, on_every_loop
from test.several import Several, running, service
from test.supervision import FakePlane, FakeWatcher


class Pair:
    """Two services, named `shop` and `api`."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.plane = FakePlane()
        self.launchers: dict[str, FakeLauncher] = {}
        self.services = Services([self._new(name) for name in ("shop", "api")])

    def _new(self, name: str) -> Service:
        config = replace(configured(RestartConfig(drain_s=0)), name=name)
        launcher = self.launchers[name] = FakeLauncher(config.address)
        return Service(config, launcher, Scope.of(config.watch, Path()), self.bus)

    async def reached(self, name: str, state: str, generation: int) -> None:
        status = self.services[name].status
        await eventually(lambda: (status().state, status().generation) == (state, generation))


@contextlib.asynccontextmanager
async def both(pair: Pair) -> AsyncIterator[Pair]:
    async with asyncio.TaskGroup() as group:
        planes = dict.fromkeys(pair.services, pair.plane)
        running = group.create_task(pair.services.run(FakeWatcher(), planes), name="services")
        yield pair
        running.cancel()
    children = [child for each in pair.launchers.values() for child in each.children]
    assert all(child.ended.is_set() for child in children), "a server was left behind"


@on_every_loop
async def test_services_keep_their_order_and_publish_their_names() -> None:
    async with both(Pair()) as pair:
        assert (list(pair.services), len(pair.services)) == (["shop", "api"], 2)
        for name in pair.services:
            await pair.reached(name, "running", 1)
        running = [event for event in pair.bus.recent(StateChanged) if event.state == "running"]
        assert {event.service for event in running} == {"shop", "api"}


@on_every_loop
async def test_restart_of_one_service_leaves_the_other_alone() -> None:
    async with both(Pair()) as pair:
        for name in pair.services:
            await pair.reached(name, "running", 1)
        pair.services["shop"].restart("the page")
        await pair.reached("shop", "running", 2)
        assert pair.plane.ended == [GenerationId("shop", 1)]
        assert len(pair.launchers["api"].children) == 1


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_in_one_service_does_not_end_the_other() -> None:
    pair = Pair()
    pair.launchers["shop"].bug = "a bug"
    async with both(pair):
        await pair.reached("shop", "error", 1)
        assert "a bug in http-process-proxy" in pair.services["shop"].status().reason
        await pair.reached("api", "running", 1)
        pair.services["api"].restart("the page")
        await pair.reached("api", "running", 2)
        pair.launchers["shop"].bug = ""
        pair.services["shop"].inbox.changed(frozenset({"a.py"}))
        await pair.reached("shop", "running", 2)


@on_every_loop
async def test_stopped_service_ends_its_server_and_leaves_the_other_alone() -> None:
    async with both(Pair()) as pair:
        for name in pair.services:
            await pair.reached(name, "running", 1)
        pair.services["shop"].stop("the page")
        await pair.reached("shop", "stopped", 2)
        assert pair.launchers["shop"].children[0].ended.is_set()
        assert pair.services["shop"].gate.target is None
        pair.services["api"].restart("the page")
        await pair.reached("api", "running", 2)
        assert len(pair.launchers["shop"].children) == 1


@on_every_loop
async def test_commands_reach_every_service() -> None:
    async with both(Pair()) as pair:
        for name in pair.services:
            await pair.reached(name, "running", 1)
        pair.services.settled()
        pair.services.restart("the keyboard")
        for name in pair.services:
            await pair.reached(name, "running", 2)
        pair.services.changed(frozenset({"a.py"}))
        for name in pair.services:
            await pair.reached(name, "running", 3)
        pair.services.report_wait()
        pair.services.kill()
        for name in pair.services:
            await pair.reached(name, "error", 3)


@on_every_loop
async def test_single_service_gets_all_changes_without_a_look_at_its_scope() -> None:
    several = Several(service("web", patterns=["*.js"]))
    async with running(several):
        await several.reached("running", 1)
        several.services.changed(frozenset({"a.py"}))
        await several.reached("running", 2)


@on_every_loop
async def test_requests_wait_until_the_changes_of_needed_services_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sql").write_text("1")
    database = replace(service("db"), watch=WatchConfig(patterns=("*.sql",), ignore_unchanged=True))
    several = Several(service("api", needs=["db"]), database)
    async with running(several):
        await several.reached("running", 1)
        several.services.changed(frozenset({"a.sql"}))
        waiter = several.ask("api")
        assert waiter.target is None
        await several.services["api"].fence()
        await eventually(lambda: waiter.target is not None)


@on_every_loop
async def test_server_that_is_not_started_always_runs_for_those_that_need_it() -> None:
    bus = EventBus()
    config = replace(configured(RestartConfig(drain_s=0)), needs=("vite",), follow=("vite",))
    launcher = FakeLauncher(config.address)
    needing = Service(config, launcher, Scope.of(config.watch, Path()), bus)
    vite = ExternalService(replace(config, name="vite", needs=(), follow=()), bus)
    services = Services([needing], [vite])
    assert dict(services.every) == {config.name: needing, "vite": vite}
    assert needing.member.title == config.name
    async with asyncio.TaskGroup() as group:
        planes = {config.name: FakePlane()}
        task = group.create_task(services.run(FakeWatcher(), planes), name="services")
        await eventually(lambda: needing.status().state == "running")
        task.cancel()
