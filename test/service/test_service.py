"""A service: its preloader, its filter of unchanged files, and bugs in it."""

import asyncio
import time
from pathlib import Path

import pytest

from httpprocessproxy.config import RestartConfig, WatchConfig
from httpprocessproxy.core.state import State
from httpprocessproxy.events import EventBus, PreloadStatus, Refreshed, StartReport
from httpprocessproxy.service.service import Service
from httpprocessproxy.watch import Scope
from test.children import FakeLauncher, configured
from test.deadline import PATIENCE_S
from test.loops import eventually, on_every_loop
from test.supervision import FakePlane, FakeWatcher, Life, supervised, watching


class FakePreload:
    """Records the transitions of its service."""

    cold_ms = 5000.0

    def __init__(self) -> None:
        self.states: list[State] = []
        self.starts: list[StartReport | None] = []
        self.is_running = False

    def status(self) -> PreloadStatus:
        return PreloadStatus(ready=True, off=None, modules=1, memory_bytes=None)

    def entered(self, state: State, start: StartReport | None) -> None:
        self.states.append(state)
        self.starts.append(start)

    async def run(self) -> None:
        self.is_running = True
        await asyncio.Event().wait()


@on_every_loop
async def test_preloader_learns_of_each_transition_and_its_start() -> None:
    preload = FakePreload()
    life = Life(configured(), preload)
    life.launcher.is_warm = True
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.run(), name="service")
        await life.reached("running", 1)
        assert preload.is_running
        running.cancel()
    assert preload.states == [State.LOADING, State.RUNNING]
    start = preload.starts[-1]
    assert start is not None
    assert start.warm
    assert start.ms is not None
    assert start.saved_ms == pytest.approx(preload.cold_ms - start.ms, abs=0.1)
    assert life.status().preload == preload.status()


@on_every_loop
async def test_reported_file_of_refresh_refreshes_browsers() -> None:
    async with supervised(watching(WatchConfig(refresh=("*.css",)))) as life:
        await life.reached("running", 1)
        refreshed: list[Refreshed] = []
        with life.bus.on(Refreshed, refreshed.append):
            life.service.changed(frozenset({"a.css"}))
            await eventually(lambda: bool(refreshed))
        assert refreshed[0].paths == ["a.css"]
        assert life.status().state == "running"


@on_every_loop
async def test_reported_file_restarts_the_server() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.service.changed(frozenset({"a.py"}))
        await life.reached("running", 2)
        assert life.reasons[2] == "changed: a.py"


@on_every_loop
async def test_save_without_a_change_does_not_restart_with_ignore_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.py"
    file.write_text("1")
    # The content of a file that was written a moment before the start is not learned.
    await eventually(lambda: time.time_ns() > file.stat().st_ctime_ns + 20_000_000)
    async with supervised(watching(WatchConfig(ignore_unchanged=True))) as life:
        await life.reached("running", 1)
        content_filter = life.service._filter
        assert content_filter is not None
        await eventually(lambda: bool(content_filter._contents._digests))
        life.service.changed(frozenset({"a.py"}))
        await life.service.fence()
        assert life.status().generation == 1
        file.write_text("22")
        life.service.changed(frozenset({"a.py"}))
        await life.reached("running", 2)


@on_every_loop
async def test_status_names_the_watcher() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        assert life.status().watcher == FakeWatcher.description


# Bugs


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_in_a_start_becomes_error_until_a_change() -> None:
    life = Life(configured())
    life.launcher.bug = "a bug"
    async with asyncio.TaskGroup() as group:
        running = group.create_task(life.run(), name="service")
        await life.reached("error", 1)
        assert "a bug in http-process-proxy" in life.status().reason
        assert life.reloads == 1
        problem = life.ask().problem
        assert problem is not None
        assert "a bug in http-process-proxy" in problem.detail
        life.launcher.bug = ""
        life.change()
        await life.reached("running", 2)
        assert life.ask().target is not None
        running.cancel()


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_while_the_server_runs_ends_its_process() -> None:
    async with supervised() as life:
        await life.reached("running", 1)
        life.plane.bug = "a bug"
        life.service.restart("the keyboard")
        await life.reached("running", 2)  # the stop raises, and the start that was due follows
        assert life.children[0].ended.is_set()
        assert len(life.children) == 2


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_in_error_leaves_the_service_in_error() -> None:
    async with supervised(configured(RestartConfig(drain_s=PATIENCE_S))) as life:
        await life.reached("running", 1)
        life.children[0].exit(1)
        await life.reached("error", 1)
        life.service.inbox.exited(1, 0)  # impossible: the generation has ended already
        await eventually(lambda: "a bug" in life.status().reason)
        life.change()
        await life.reached("running", 2)


@on_every_loop
async def test_service_holds_requests_and_collects_changes_before_it_runs() -> None:
    config = configured()
    service = Service(
        config, FakeLauncher(config.address), Scope.of(config.watch, Path()), EventBus()
    )
    service.changed(frozenset({"a.py"}))
    assert service.gate.target is None
    assert (service.status().generation, service.status().watcher) == (0, "")
    service.kill()
    service.report_wait()
    running = service.run(FakeWatcher(), FakePlane())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(running, name="service")
        await eventually(lambda: service.status().generation == 2)
        task.cancel()


@on_every_loop
async def test_tail_is_the_end_of_the_output() -> None:
    life = Life(configured())
    life.launcher.output.printed = b"the end\n"
    assert life.service.tail() == "the end\n"
