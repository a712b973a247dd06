"""The fence of every watcher, and its sharing among concurrent callers."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from httpprocessproxy.watch import SharedFence
from httpprocessproxy.watch import fence as fence_module
from httpprocessproxy.watch.native import Native
from httpprocessproxy.watch.threads import threaded
from test.deadline import MS
from test.loops import on_every_loop
from test.watch.watching import Reports, run, watching

ROUNDS = 20


def in_place(root: Path, number: int) -> str:
    (root / "a.py").write_text("x" * number)
    return "a.py"


def by_rename(root: Path, number: int) -> str:
    (root / "b.tmp~").write_text("x" * number)
    os.replace(root / "b.tmp~", root / "b.py")
    return "b.py"


def in_new_folder(root: Path, number: int) -> str:
    path = root / str(number) / "deep" / "c.py"
    path.parent.mkdir(parents=True)
    path.write_text("")
    return str(path.relative_to(root))


def removed(root: Path, number: int) -> str:
    (root / f"d{number}.py").unlink()
    return f"d{number}.py"


SAVES = [in_place, by_rename, in_new_folder, removed]


@pytest.mark.parametrize("save", SAVES)
def test_save_is_reported_when_fence_is_passed(
    name: WatcherName, project: Path, save: Callable[[Path, int], str]
) -> None:
    for number in range(ROUNDS):
        (project / f"d{number}.py").touch()

    async def main() -> None:
        async with watching(name, project) as (reports, watcher):
            for number in range(ROUNDS):
                path = save(project, number)
                await watcher.fence()
                assert path in reports.paths
                reports.paths.clear()

    run(main())


def test_fence_of_watchfiles_is_behind_its_reports_and_reports_no_cookie(project: Path) -> None:
    async def main() -> None:
        reports = Reports(project)
        native = Native(reports.task.from_thread(), "a test")
        async with threaded(native, "watchfiles"):
            for number in range(ROUNDS):
                in_place(project, number)
                await native.fence()
                assert reports.paths == {"a.py"}
                reports.paths.clear()

    run(main())


def test_queued_kernel_events_are_reported_by_catch_up(project: Path) -> None:
    async def main() -> None:
        async with watching("embedded", project) as (reports, watcher):
            assert watcher.is_immediate
            for number in range(ROUNDS):
                path = in_new_folder(project, number)
                assert watcher.catch_up()
                assert path in reports.paths

    run(main())


def test_fence_waits_for_an_empty_file_that_is_open(project: Path) -> None:
    async def main() -> None:
        async with (
            watching("embedded", project) as (reports, watcher),
            asyncio.TaskGroup() as group,
        ):
            with (project / "a.py").open("w") as file:
                assert not watcher.catch_up()
                fence = group.create_task(watcher.fence())
                await asyncio.sleep(0)
                assert not fence.done()
                file.write("whole")
                file.flush()
                await fence
            assert reports.paths == {"a.py"}

    run(main())


class Gates:
    """A fence that a test opens once for each call."""

    def __init__(self) -> None:
        self.begun = 0
        self.is_in_flight = asyncio.Event()
        self.open = asyncio.Semaphore(0)
        self.shared = SharedFence(self._fence)

    async def _fence(self) -> None:
        self.begun += 1
        self.is_in_flight.set()
        await self.open.acquire()


@on_every_loop
async def test_fence_in_flight_serves_only_callers_from_before_it_began() -> None:
    gates = Gates()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(gates.shared.run())
        early = [gates.shared.passed() for _ in range(3)]
        await gates.is_in_flight.wait()
        late = [gates.shared.passed() for _ in range(3)]
        gates.open.release()
        await asyncio.gather(*early)
        assert not any(future.done() for future in late)
        gates.open.release()
        await asyncio.gather(*late)
        assert gates.begun == 2
        running.cancel()


@on_every_loop
async def test_hanging_fence_lets_requests_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fence_module, "LIMIT_S", 20 * MS)
    gates = Gates()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(gates.shared.run())
        assert not await gates.shared.passed()
        running.cancel()
    assert "the watcher has not answered" in caplog.text


@on_every_loop
async def test_failing_fence_lets_requests_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fence() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    shared = SharedFence(fence)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(shared.run())
        for _ in range(2):
            assert not await shared.passed()
        running.cancel()
    assert "Too many open files" in caplog.text


@on_every_loop
async def test_waiting_callers_are_released_at_the_end() -> None:
    gates = Gates()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(gates.shared.run())
        first = gates.shared.passed()
        await gates.is_in_flight.wait()
        second = gates.shared.passed()
        running.cancel()
    assert first.done()
    assert second.done()
