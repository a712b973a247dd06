"""Time limits of the supervisor: of a start, and of the delay of a kill."""

import asyncio

import pytest

from httpprocessproxy.config import RestartConfig
from test.children import configured
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import eventually, on_every_loop
from test.supervision import Life, is_in_burst, supervised


@on_every_loop
async def test_start_beyond_its_timeout_refuses_requests_and_goes_on() -> None:
    async with supervised(configured(RestartConfig(start_timeout_s=0.02)), listens=False) as life:
        waiter = life.ask()
        await eventually(lambda: waiter.problem is not None)
        assert waiter.problem is not None
        assert "does not answer at" in waiter.problem.detail
        assert str(life.config.address) in waiter.problem.detail
        assert [problem.title for problem in life.plane.given_up] == [waiter.problem.title]
        assert life.status().state == "loading"
        assert life.ask().problem is not None
        await life.spawned(1)  # until then, a server at its port would be an obstacle
        late = Listener(port=life.config.address.port)
        await life.reached("running", 1)
        assert life.ask().target is not None
        late.close()


@on_every_loop
async def test_restart_resets_the_timeout_of_a_slow_start() -> None:
    async with supervised(configured(RestartConfig(start_timeout_s=0.3)), listens=False) as life:
        waiter = life.ask()
        await eventually(lambda: waiter.problem is not None)
        life.change()
        await life.spawned(2)
        other = life.ask()
        assert (other.target, other.problem) == (None, None)


@on_every_loop
async def test_timeout_of_the_start_stops_once_the_server_answers() -> None:
    async with supervised(configured(RestartConfig(start_timeout_s=0.3))) as life:
        await life.reached("running", 1)
        loading = Life(configured(RestartConfig(start_timeout_s=0.3)))
        loading.launcher.listens = False
        async with asyncio.TaskGroup() as group:
            running = group.create_task(loading.run(), name="other")
            waiter = loading.ask()
            await eventually(lambda: waiter.problem is not None)  # the timeout has passed
            running.cancel()
        assert life.ask().target is not None


@on_every_loop
async def test_unsafe_request_in_flight_delays_the_kill() -> None:
    async with supervised(configured(RestartConfig(drain_s=PATIENCE_S * 2))) as life:
        await life.reached("running", 1)
        life.service.gate.pending_began()
        life.change()
        await life.reached("killing", 1)
        await eventually(lambda: not is_in_burst(life))
        assert (life.children[0].stops, life.plane.ended) == ([], [])
        life.service.gate.pending_ended()
        await life.reached("running", 2)


@pytest.mark.parametrize("drain_s", [0, 0.02])
@on_every_loop
async def test_unsafe_request_delays_the_kill_at_most_by_the_drain_time(drain_s: float) -> None:
    async with supervised(configured(RestartConfig(drain_s=drain_s))) as life:
        await life.reached("running", 1)
        life.service.gate.pending_began()
        life.change()
        await life.reached("running", 2)
        life.service.gate.pending_ended()
