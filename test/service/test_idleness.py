"""Idle services: the counts that keep one running, its stop, and its start by a request."""

import asyncio
from dataclasses import replace
from functools import partial

from httpprocessproxy.events import StateChanged
from test.loops import eventually, on_every_loop
from test.several import Several, running, service
from test.supervision import FakeWaiter

IDLE_S = 0.01


def is_in(several: Several, name: str, state: str) -> bool:
    return several.services[name].status().state == state


def is_admitted(waiter: FakeWaiter) -> bool:
    return waiter.target is not None


@on_every_loop
async def test_idle_service_stops_and_each_request_starts_it_without_a_failure() -> None:
    several = Several(service("api", idle_s=IDLE_S))
    async with running(several):
        for _ in range(50):
            await eventually(partial(is_in, several, "api", "idle"))
            assert several.child("api").ended.is_set()
            waiter = several.ask("api")
            await eventually(partial(is_admitted, waiter))
            assert waiter.problem is None
        assert several.reloads == ["api"], "only the first start shows something new"
        whys = [event.why for event in several.bus.recent(StateChanged)]
        assert "no request for 10 ms" in whys
        assert "a request came" in whys
        assert several.services["api"].status().reason == ""


@on_every_loop
async def test_open_request_or_connection_keeps_the_service_running() -> None:
    several = Several(service("api", idle_s=IDLE_S))
    several.plane.is_used = True
    async with running(several):
        await several.reached("running", 1)
        await asyncio.sleep(3 * IDLE_S)
        assert is_in(several, "api", "running")
        several.plane.is_used = False
        await several.reached("idle", 2)


@on_every_loop
async def test_service_that_another_one_needs_keeps_running() -> None:
    several = Several(
        service("web", needs=["api"], idle_s=4 * IDLE_S), service("api", idle_s=IDLE_S)
    )
    async with running(several):
        await several.reached("running", 1)
        await several.reached("idle", 2, "web")
        await several.reached("idle", 2, "api")
        of_web = [event for event in several.bus.recent(StateChanged) if event.state == "killing"]
        assert [event.service for event in of_web] == ["web", "api"]
        waiter = several.ask("web")
        await eventually(partial(is_admitted, waiter))


@on_every_loop
async def test_save_starts_an_idle_service() -> None:
    several = Several(service("api", idle_s=IDLE_S))
    async with running(several):
        await several.reached("idle", 2)
        several.services.changed(frozenset({"a.py"}))
        await eventually(partial(is_in, several, "api", "running"))
        assert several.reloads == ["api", "api"]


@on_every_loop
async def test_failed_service_does_not_become_idle() -> None:
    several = Several(service("api", idle_s=IDLE_S))
    several.launchers["api"].error = "cannot start 'serve'"
    async with running(several):
        await several.reached("error", 1)
        await asyncio.sleep(3 * IDLE_S)
        assert is_in(several, "api", "error")


@on_every_loop
async def test_service_without_a_route_does_not_become_idle() -> None:
    worker = replace(service("worker", idle_s=IDLE_S), routes=())
    async with running(Several(worker)) as several:
        await several.reached("running", 1)
        await asyncio.sleep(3 * IDLE_S)
        assert is_in(several, "worker", "running")
