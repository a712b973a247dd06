"""Builds: when they begin, and the effect of their ends."""

import asyncio

import pytest

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.state import State
from test.build_bench import APP, building
from test.loops import on_every_loop, turn

# The first start


@on_every_loop
async def test_first_start_waits_for_a_build_that_succeeds() -> None:
    async with building() as bench, asyncio.TaskGroup() as group:
        starting = group.create_task(bench.builds.before_start(), name="start")
        await bench.began(1)
        assert bench.command.runs == [True]
        assert not starting.done()
        await bench.ended()
        assert await starting == ""
        assert (bench.restarts, bench.included) == ([], [set()])
        assert bench.states == ["running", "succeeded"]
        assert bench.builds.last.ms is not None
        assert bench.plane.superseded == []
        assert bench.said == []


@on_every_loop
async def test_first_start_fails_with_the_reason_of_the_build() -> None:
    async with building() as bench:
        await bench.began(1)
        await bench.ended("ended with exit status 2")
        failure = "before failed: make all ended with exit status 2"
        assert await bench.builds.before_start() == failure
        # The transition to ERROR has a line of its own.
        assert bench.said == []
        assert bench.events[-1].output == "main.go:3: no\n"
        bench.enter(State.ERROR)
        bench.builds.changed(APP)
        await bench.began(2)
        assert bench.command.runs == [True, True]
        await bench.ended()
        assert bench.restarts == [{"app.py"}]
        bench.enter(State.LOADING)
        assert await bench.builds.before_start() == ""


@on_every_loop
async def test_save_during_the_first_build_begins_another() -> None:
    async with building() as bench:
        await bench.began(1)
        bench.builds.changed(APP)
        await bench.began(2)
        assert bench.command.cancelled == 1
        assert bench.states == ["running"]
        await bench.ended()
        assert (bench.restarts, bench.included) == ([], [{"app.py"}])


# Changes


@on_every_loop
async def test_change_while_the_server_runs_restarts_it_after_the_build() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.changed(APP)
        await bench.began(2)
        assert bench.command.runs == [True, False]
        assert bench.restarts == []
        assert bench.plane.superseded == [GenerationId("web", 1)]
        assert bench.builds.is_running
        assert not bench.builds.holds_requests
        await bench.ended()
        assert bench.restarts == [{"app.py"}]
        assert bench.events[-1].paths == ["app.py"]
        assert bench.releases == 2


@on_every_loop
async def test_failure_leaves_the_server_running_and_the_next_success_has_all_files() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.changed(APP)
        await bench.began(2)
        await bench.ended("ended with exit status 1")
        assert bench.restarts == []
        assert bench.said == [
            "before failed: make all ended with exit status 1; generation 1 goes on serving"
        ]
        bench.builds.changed(frozenset({"b.py"}))
        await bench.began(3)
        await bench.ended()
        assert bench.restarts == [{"app.py", "b.py"}]
        assert bench.plane.superseded == [GenerationId("web", 1)] * 2


@on_every_loop
async def test_every_save_of_a_known_file_cancels_the_build() -> None:
    async with building() as bench:
        await bench.start()
        for number in range(20):
            bench.builds.changed(APP)
            await bench.began(number + 2)
        assert bench.command.cancelled == 19
        await bench.ended()
        assert bench.restarts == [{"app.py"}]
        assert bench.states == ["running", "succeeded"] * 2


@on_every_loop
async def test_burst_of_changes_is_one_build() -> None:
    async with building(settle_s=0.05) as bench:
        await bench.start()
        for number in range(5):
            bench.builds.changed(frozenset({f"{number}.py"}))
            await turn()
        await bench.began(2)
        await bench.ended()
        assert bench.command.cancelled == 0
        assert bench.restarts == [{f"{number}.py" for number in range(5)}]


@on_every_loop
async def test_requested_restart_builds_first() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.restart("the keyboard")
        await bench.began(2)
        await bench.ended()
        assert bench.restarts == ["the keyboard"]
        bench.builds.restart("the keyboard")
        bench.builds.changed(APP)
        await bench.began(3)
        await bench.ended()
        assert bench.restarts[1:] == [{"app.py"}]


@on_every_loop
async def test_error_holds_requests_while_a_build_runs() -> None:
    async with building() as bench:
        await bench.start()
        bench.enter(State.ERROR)
        holds = [bench.builds.holds_requests]
        bench.builds.changed(APP)
        holds.append(bench.builds.holds_requests)
        await bench.began(2)
        await bench.ended("ended with exit status 1")
        assert [*holds, bench.builds.holds_requests] == [False, True, False]
        assert bench.refusals == ["before failed: make all ended with exit status 1"]
        assert bench.said[0].endswith("; waiting for a change")
        # No server is left that files could supersede.
        assert bench.plane.superseded == []


@on_every_loop
async def test_change_during_a_start_builds_beside_it() -> None:
    async with building() as bench:
        await bench.start()
        bench.enter(State.KILLING)
        bench.enter(State.LOADING)
        assert await bench.builds.before_start() == ""
        bench.builds.changed(APP)
        await bench.began(2)
        assert bench.command.runs[1] is False
        assert bench.plane.superseded == [GenerationId("web", 1)]
        await bench.ended("ended with exit status 1")
        assert bench.said[0].endswith("; the start of generation 1 goes on")
        assert bench.refusals == []


@pytest.mark.parametrize("reason", ["", "ended with exit status 1"])
@on_every_loop
async def test_change_while_the_server_is_killed_holds_the_next_start_back(reason: str) -> None:
    async with building() as bench, asyncio.TaskGroup() as group:
        await bench.start()
        bench.enter(State.KILLING)
        bench.builds.changed(APP)
        bench.enter(State.LOADING)
        starting = group.create_task(bench.builds.before_start(), name="start")
        await bench.began(2)
        assert not starting.done()
        await bench.ended(reason)
        assert await starting == ""
        assert bench.restarts == []
        assert bench.included[1:] == ([] if reason else [{"app.py"}])
        # A start after a failure does not include all files.
        assert bench.plane.superseded == ([GenerationId("web", 1)] if reason else [])
        if reason:
            assert bench.said[0].endswith("; the start goes on")
