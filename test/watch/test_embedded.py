"""The embedded watcher: it falls back to polling with a warning, and decides changes in time."""

import asyncio
import errno
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.watch import embedded
from test.watch.watching import Reports, run, watching

if sys.platform != "linux":
    pytest.skip("inotify is of Linux", allow_module_level=True)

from httpprocessproxy.watch.inotify_calls import Inotify


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of folders whose watch fails with ENOSPC."""
    names: set[str] = set()
    add_watch = Inotify.add_watch

    def limited(self: Inotify, path: str, mask: int) -> int:
        if os.path.basename(path) in names:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return add_watch(self, path, mask)

    monkeypatch.setattr(Inotify, "add_watch", limited)
    return names


def test_limit_reached_at_the_start_leads_to_polling(project: Path, full: set[str]) -> None:
    full.add("folder")
    (project / "folder").mkdir()

    async def main() -> None:
        async with watching("embedded", project) as (reports, watcher):
            assert watcher.description == "polling: inotify reached its limit"
            assert "sudo sysctl fs.inotify.max_user_watches" in reports.said[0]
            (project / "folder" / "a.py").write_text("")
            await reports.see("folder/a.py")

    run(main())


def test_limit_reached_while_watching_leads_to_polling(project: Path, full: set[str]) -> None:
    async def main() -> None:
        async with watching("embedded", project) as (reports, watcher):
            assert watcher.description == "embedded: as you asked"
            full.add("folder")
            (project / "folder").mkdir()
            await reports.see(ANYTHING)
            assert watcher.description == "polling: inotify reached its limit"
            assert "sudo sysctl fs.inotify.max_user_watches" in reports.said[0]
            (project / "folder" / "a.py").write_text("")
            await reports.see("folder/a.py")

    run(main())


def test_overflow_of_the_event_queue_reports_anything(project: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (project / "a").touch()

    async def main() -> None:
        async with watching("embedded", project) as (reports, _):
            for number in range(limit):
                (project / "ab"[number % 2]).touch()
            await reports.see(ANYTHING)
            await reports.all()
            (project / "c").write_text("")
            assert await reports.all() == {"c"}

    run(main())


def test_file_system_without_events_is_polled(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "without_events", lambda _: "9p")

    async def main() -> None:
        async with watching("embedded", project) as (_, watcher):
            text = "polling: a file system of type 9p sends no events"
            assert watcher.description == text

    run(main())


def test_missing_root_raises_user_error(project: Path) -> None:
    async def main() -> None:
        async with watching("embedded", project / "missing"):
            raise AssertionError("there is nothing to watch")

    with pytest.raises(UserError, match="not a directory that can be watched"):
        run(main())


def test_every_event_of_a_burst_is_reported_without_another_event(project: Path) -> None:
    async def main() -> None:
        async with watching("embedded", project) as (reports, _):
            for number in range(540):  # two events each: one read of 1,000 leaves some
                (project / f"{number}.tmp~").touch()
            (project / "last.py").write_text("x")
            await reports.see("last.py")

    run(main())


def test_changes_are_undecided_while_polling_takes_over(project: Path, full: set[str]) -> None:
    async def main() -> None:
        async with watching("embedded", project) as (reports, watcher):
            full.add("folder")
            (project / "folder").mkdir()
            assert not watcher.catch_up()
            await watcher.fence()
            assert ANYTHING in reports.paths
            assert watcher.catch_up()
            assert not watcher.is_immediate

    run(main())


def test_recreated_root_is_watched_at_the_next_request(project: Path) -> None:
    async def main() -> None:
        async with watching("embedded", project) as (reports, watcher):
            shutil.rmtree(project)
            assert watcher.catch_up()
            assert ANYTHING not in reports.paths
            os.mkdir(project)
            assert watcher.catch_up()
            assert ANYTHING in reports.paths

    run(main())


def test_settled_is_called_when_a_request_finds_the_file_written(project: Path) -> None:
    async def main() -> None:
        settled, reports = asyncio.Event(), Reports(project)
        task = replace(reports.task, settled=settled.set)
        async with embedded.open_embedded(task, "a test") as watcher:
            with (project / "a.py").open("w") as file:
                assert not watcher.catch_up()
                await asyncio.sleep(0)
                settled.clear()
                file.write("whole")
                file.flush()
                assert watcher.catch_up()
                assert (
                    not settled.is_set()
                )  # deferred: the gate calls `catch_up` in the middle of its own work
                await settled.wait()

    run(main())
