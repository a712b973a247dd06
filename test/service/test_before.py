"""The builds of a service: requests, state and status before, while and after a build runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from httpprocessproxy.config import RestartConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.events import BuildChanged
from httpprocessproxy.service.waiter import Target
from test.children import FakeChild, configured
from test.deadline import MS
from test.loops import eventually, on_every_loop, turn
from test.supervision import FakeWaiter, Life, supervised

FAILURE = "before failed: make all ended with exit status 2"


class SyncWaiter(FakeWaiter):
    wants_fence = True


class Building(Life):
    """A service with builds that the test ends."""

    async def build(self, count: int) -> FakeChild:
        """Wait for the build with this number."""
        builder = self.launcher.builder
        assert builder is not None, "the service has builds"
        await eventually(lambda: len(builder.children) == count)
        return builder.children[-1]

    async def end_build(self, count: int, code: int = 0) -> None:
        (await self.build(count)).exit(code)
        await eventually(lambda: not self.is_building)

    @property
    def is_building(self) -> bool:
        build = self.status().build
        return build is not None and build.is_running

    def sync(self) -> SyncWaiter:
        """A request with `Hpp-Sync: 1`."""
        waiter = SyncWaiter()
        assert not self.service.gate.enter(waiter)
        return waiter


@contextlib.asynccontextmanager
async def building(restart: RestartConfig | None = None) -> AsyncIterator[Building]:
    life = Building(replace(configured(restart), before=("make", "all")))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.run(), name="service")
        yield life
        running.cancel()


@on_every_loop
async def test_server_starts_after_the_first_build() -> None:
    async with building() as life:
        waiter = life.ask()
        await life.build(1)
        assert (life.children, life.states) == ([], ["loading"])
        await life.end_build(1)
        await life.reached("running", 1)
        assert waiter.target is not None
        assert life.status().last_restart is None


@on_every_loop
async def test_time_limit_of_a_start_begins_after_the_build() -> None:
    async with building(RestartConfig(start_timeout_s=50 * MS)) as life:
        life.launcher.listens = False
        waiter = life.ask()
        await life.build(1)
        await asyncio.sleep(100 * MS)
        assert waiter.problem is None
        await life.end_build(1)
        await eventually(lambda: waiter.problem is not None)
        assert "--start-timeout" in life.said[0]


@on_every_loop
async def test_failure_of_the_first_build_is_an_error_until_a_build_succeeds() -> None:
    async with building() as life:
        waiter = life.ask()
        await life.end_build(1, 2)
        await life.reached("error", 1)
        status = life.status()
        assert (status.reason, status.returncode) == (FAILURE, None)
        assert waiter.problem is not None
        assert waiter.problem.title == "The build has failed"
        life.service.changed(frozenset({"a.py"}))
        held = life.ask()
        assert (held.target, held.problem) == (None, None)
        await life.end_build(2, 2)
        await eventually(lambda: held.problem is not None)
        assert f"{FAILURE}; waiting for a change" in life.said
        life.service.changed(frozenset({"b.py"}))
        held = life.ask()
        await life.end_build(3)
        await life.reached("running", 2)
        assert held.target is not None
        assert life.last_restart().paths == ["a.py", "b.py"]


@on_every_loop
async def test_server_serves_on_while_a_build_runs_and_after_its_failure() -> None:
    async with building() as life:
        await life.end_build(1)
        await life.reached("running", 1)
        old = life.ask().target
        life.service.changed(frozenset({"a.py"}))
        assert life.ask().target == old
        assert life.plane.superseded == [GenerationId("web", 1)]
        await life.end_build(2, 2)
        assert life.ask().target == old
        assert life.said == [f"{FAILURE}; generation 1 goes on serving"]
        build = life.status().build
        assert build is not None
        assert (build.state, build.reason) == ("failed", "ended with exit status 2")
        assert life.status().state == "running"


@on_every_loop
async def test_success_restarts_the_server_with_all_files() -> None:
    async with building() as life:
        await life.end_build(1)
        await life.reached("running", 1)
        life.service.changed(frozenset({"a.py"}))
        await life.end_build(2)
        await life.reached("running", 2)
        assert life.reasons[2] == "changed: a.py"
        assert life.reloads == 2
        life.service.restart("the keyboard")
        await life.end_build(3)
        await life.reached("running", 3)
        assert life.reasons[5] == "restart asked for by the keyboard"


@on_every_loop
async def test_server_that_is_stopped_meanwhile_stays_stopped() -> None:
    async with building() as life:
        await life.end_build(1)
        await life.reached("running", 1)
        life.service.restart("the keyboard")
        await life.build(2)
        life.service.stop("the keyboard")
        await life.reached("stopped", 2)
        await life.end_build(2)
        await turn()
        assert life.status().state == "stopped"
        life.service.start("the keyboard")
        await life.reached("running", 2)


@on_every_loop
async def test_start_after_a_failed_build_builds_again() -> None:
    async with building() as life:
        await life.end_build(1, 2)
        await life.reached("error", 1)
        life.service.start("the keyboard")
        await life.end_build(2)
        await life.reached("running", 2)


@on_every_loop
async def test_change_during_the_kill_is_built_and_included() -> None:
    async with building() as life:
        await life.end_build(1)
        await life.reached("running", 1)
        life.service.gate.pending_began()
        life.service.changed(frozenset({"a.py"}))
        await life.end_build(2)
        await life.reached("killing", 1)
        life.service.changed(frozenset({"b.py"}))
        await life.build(3)
        life.service.gate.pending_ended()
        await life.reached("loading", 2)
        await turn()
        assert len(life.children) == 1
        await life.end_build(3)
        await life.reached("running", 2)
        assert life.last_restart().paths == ["a.py", "b.py"]


@on_every_loop
async def test_sync_request_waits_for_the_verdict() -> None:
    async with building() as life:
        await life.end_build(1)
        await life.reached("running", 1)
        synced = life.sync()
        await eventually(lambda: synced.target is not None)
        life.service.changed(frozenset({"a.py"}))
        after_success, gone = life.sync(), life.sync()
        async with asyncio.TaskGroup() as group:
            fence = group.create_task(life.service.fence(), name="fence")
            await life.build(2)
            life.service.gate.exit(gone)
            assert (after_success.target, fence.done()) == (None, False)
            assert life.service.gate.common_target() is None
            await life.end_build(2)
        await life.reached("running", 2)
        address = life.config.address
        new = Target(GenerationId("web", 2), address.host, address.port)
        await eventually(lambda: after_success.target == new)
        life.service.changed(frozenset({"a.py"}))
        after_failure = life.sync()
        await life.end_build(3, 1)
        await eventually(lambda: after_failure.target == new)
        assert gone.target is None


@on_every_loop
async def test_sync_request_is_refused_after_the_time_limit() -> None:
    async with building(RestartConfig(queue_timeout_s=50 * MS)) as life:
        await life.end_build(1)
        await life.reached("running", 1)
        life.service.changed(frozenset({"a.py"}))
        waiter = life.sync()
        await eventually(lambda: waiter.problem is not None)
        assert waiter.problem is not None
        assert waiter.problem.title == "The build still runs"


@on_every_loop
async def test_builds_are_published() -> None:
    async with building() as life:
        events: list[BuildChanged] = []
        with life.bus.on(BuildChanged, events.append):
            await life.end_build(1)
            await life.reached("running", 1)
            life.service.changed(frozenset({"a.py"}))
            await life.build(2)
            builder = life.launcher.builder
            assert builder is not None
            builder.output.printed = b"a.py:1: no\n"
            await life.end_build(2, 1)
        assert [event.build.state for event in events][-3:] == ["succeeded", "running", "failed"]
        assert (events[-1].generation, events[-1].output) == (1, "a.py:1: no\n")


@on_every_loop
async def test_service_without_builds_has_none_in_its_status() -> None:
    async with supervised() as life:
        assert life.status().build is None
