"""Builds: files that they write themselves, and faults."""

import asyncio
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.state import State
from test.build_bench import APP, BuildBench, building
from test.loops import eventually, on_every_loop, turn

# Files that a build writes


@on_every_loop
async def test_files_that_every_build_writes_do_not_begin_builds_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with building() as bench:
        for number in range(1, 3):
            await bench.began(number)
            await bench.write_in_build(("bundle.js", "1"))
        for number in range(3, 5):
            await bench.began(number)
            await bench.write_in_build(("bundle.js", "1"))
            bench.command.end_with()
        await eventually(lambda: not bench.builds.is_running)
        assert bench.said == [
            "the build writes bundle.js: that does not count while it runs "
            "(make that last with --exclude 'bundle.js')"
        ]
        bench.enter(State.RUNNING)
        bench.builds.changed(APP)
        await bench.began(5)
        await bench.write_in_build(("bundle.js", "2"))
        await bench.ended()
        assert bench.command.runs[4:] == [False]


@on_every_loop
async def test_file_that_the_build_has_open_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with building() as bench:
        await bench.began(1)
        bench.open = {tmp_path / "build.log"}
        bench.builds.changed(frozenset({"build.log"}))
        await bench.ended()
        assert bench.command.cancelled == 0


@on_every_loop
async def test_write_that_is_reported_after_the_end_counts_as_one_of_the_build() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.changed(APP)
        await bench.began(2)
        bench.late = [frozenset({"b.py"})]
        bench.command.end_with()
        await bench.began(3)
        assert bench.restarts == []
        assert bench.command.cancelled == 0
        await bench.ended()
        assert bench.restarts == [{"app.py", "b.py"}]


@on_every_loop
async def test_report_that_anything_may_have_changed_begins_another_build() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.changed(APP)
        await bench.began(2)
        bench.builds.changed(frozenset({ANYTHING}))
        await bench.began(3)
        await bench.ended()
        assert bench.restarts == [{"app.py", ANYTHING}]


# Faults


@on_every_loop
async def test_build_that_cannot_be_ended_fails() -> None:
    async with building() as bench:
        await bench.start()
        bench.builds.changed(APP)
        await bench.began(2)
        bench.command.stop_error = "cannot end 17 (make)"
        bench.builds.changed(APP)
        await bench.began(3)
        await bench.ended()
    assert bench.said == ["cannot end 17 (make)"]


@on_every_loop
async def test_build_that_a_bug_has_ended_runs_again() -> None:
    bench = BuildBench()
    for count in (1, 2):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(bench.builds.run(bench.plane), name="builds")
            await bench.began(count)
            bench.enter(State.ERROR)
            if count == 2:
                await bench.ended()
            running.cancel()
    assert bench.restarts == ["a build"]


@on_every_loop
async def test_bug_between_builds_begins_none() -> None:
    bench = BuildBench()
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(bench.builds.run(bench.plane), name="builds")
            if bench.builds.is_running:
                await bench.began(1)
                await bench.ended()
            await bench.builds.verdict()
            await turn()
            running.cancel()
    assert len(bench.command.runs) == 1
