"""A Watchman that hangs or is unfit is replaced, and does not delay the end of the program."""

import os
import re
import socket
import sys
import time
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.watch import connection
from httpprocessproxy.watch.threads import threaded
from test.deadline import MS
from test.watch.daemon import Daemon, running
from test.watch.watching import Reports, run, watching

pywatchman = pytest.importorskip("pywatchman", reason="the extra [watchman] is not installed")

# Imported after the check: the module imports pywatchman.
from httpprocessproxy.watch.watchman import Watchman  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the embedded one is inotify here")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    monkeypatch.setattr(connection, "SILENCE_S", 0.1)
    monkeypatch.setattr("httpprocessproxy.watch.START_S", 1.0)


def program(folder: Path, script: str) -> None:
    (folder / "watchman").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "watchman").chmod(0o755)


def roots() -> list[str]:
    with pywatchman.client(timeout=5.0) as client:
        found: list[str] = client.query("watch-list")["roots"]
        return found


def test_watchman_that_hangs_while_it_watches_is_replaced(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    (tmp_path / "daemon").mkdir()

    async def main(daemon: Daemon) -> None:
        async with watching("auto", project) as (reports, watcher):
            daemon.hang()
            await reports.until(lambda: reports.said and ANYTHING in reports.paths)
            assert "does not answer within" in reports.said[0]
            assert "the embedded watcher takes over" in reports.said[0]
            assert watcher.description.startswith("embedded: Watchman does not answer")
            (project / "a.py").write_text("seen")
            assert "a.py" in await reports.all()

    with running(tmp_path / "daemon") as daemon:
        monkeypatch.setenv("WATCHMAN_SOCK", str(daemon.socket))
        run(main(daemon))


@pytest.mark.parametrize("is_mute", [True, False])
def test_start_with_a_hung_watchman_goes_on_with_the_embedded_watcher(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None, is_mute: bool
) -> None:
    mute = socket.socket(socket.AF_UNIX)
    mute.bind(str(tmp_path / "sock"))
    mute.listen()
    if is_mute:
        monkeypatch.setenv("WATCHMAN_SOCK", str(tmp_path / "sock"))
    else:
        program(tmp_path, "sleep 60")
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("WATCHMAN_SOCK", raising=False)

    async def main() -> None:
        async with watching("auto", project) as (reports, watcher):
            assert watcher.description == "embedded: Watchman does not serve here"
            assert re.search("Watchman.* does not .*within", reports.said[0])
            (project / "a.py").write_text("seen")
            assert await reports.all() == {"a.py"}

    with mute:
        run(main())


def test_unrelated_program_named_watchman_is_replaced(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "echo a wrapper says hello")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("WATCHMAN_SOCK", raising=False)

    async def main() -> None:
        async with watching("auto", project) as (reports, watcher):
            assert watcher.description == "embedded: Watchman does not serve here"
            assert "printed b'a wrapper says hello" in reports.said[0]

    run(main())


def test_leaving_does_not_wait_for_a_watchman_that_hangs(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "daemon").mkdir()
    left_at: list[float] = []

    async def main(daemon: Daemon) -> None:
        async with watching("watchman", project):
            daemon.hang()
            left_at.append(time.monotonic())

    with running(tmp_path / "daemon") as daemon:
        monkeypatch.setenv("WATCHMAN_SOCK", str(daemon.socket))
        run(main(daemon))
        assert time.monotonic() - left_at[0] < 2000 * MS


def test_root_that_the_worker_added_is_taken_off_the_list(project: Path, daemon: Daemon) -> None:
    async def main() -> None:
        async with watching("watchman", project):
            assert str(project) in roots()
        assert str(project) not in roots()

    run(main())


@pytest.mark.parametrize("is_watched_before", [True, False])
def test_root_that_another_client_uses_stays_on_the_list(
    project: Path, daemon: Daemon, is_watched_before: bool
) -> None:
    async def main() -> None:
        with pywatchman.client(timeout=5.0) as other:
            if is_watched_before:
                other.query("watch-project", str(project))
            async with watching("watchman", project):
                if not is_watched_before:
                    other.query("subscribe", str(project), "other", {})
            assert str(project) in roots()

    run(main())


def test_no_file_is_listed_at_the_start(
    project: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        (project / f"{number}.py").touch()
    listed = []
    query = connection.WatchmanConnection.query

    def counting(
        self: connection.WatchmanConnection, *command: object, within_s: float = 5.0
    ) -> connection.WatchmanAnswer:
        answer = query(self, *command, within_s=within_s)
        listed.extend(answer.get("files", []))
        return answer

    monkeypatch.setattr(connection.WatchmanConnection, "query", counting)

    async def main() -> None:
        async with watching("watchman", project) as (reports, _):
            (project / "7.py").write_text("more")
            assert await reports.all() == {"7.py"}
            assert not listed

    run(main())


def test_link_to_a_folder_elsewhere_needs_the_embedded_watcher(
    project: Path, tmp_path: Path, daemon: Daemon
) -> None:
    (tmp_path / "shared").mkdir()

    async def main() -> None:
        async with watching("watchman", project) as (reports, watcher):
            assert watcher.description.startswith("Watchman")
            (project / "src").symlink_to("../shared")
            await reports.until(lambda: reports.said and ANYTHING in reports.paths)
            assert "links such as src" in reports.said[0]
        async with watching("watchman", project) as (reports, watcher):
            assert watcher.description.startswith("embedded")
            (tmp_path / "shared" / "a.py").write_text("seen")
            assert await reports.all() == {"src/a.py"}

    run(main())


def test_fence_is_passed_once_all_writes_before_it_are_reported(
    project: Path, daemon: Daemon
) -> None:
    async def main() -> None:
        reports = Reports(project)
        watchman = Watchman(reports.task.from_thread(), "test", reports.say)
        async with threaded(watchman, "watchman"):
            for number in range(20):
                (project / f"{number}.py").touch()
                await watchman.fence()
                assert f"{number}.py" in reports.paths
        with pytest.raises(ConnectionError):
            await watchman.fence()

    run(main())


def test_fence_in_flight_ends_with_the_connection(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    (tmp_path / "daemon").mkdir()

    async def main(daemon: Daemon) -> None:
        reports = Reports(project)
        watchman = Watchman(reports.task.from_thread(), "test", reports.say)
        async with threaded(watchman, "watchman"):
            daemon.hang()
            with pytest.raises(ConnectionError):
                await watchman.fence()

    with running(tmp_path / "daemon") as daemon:
        monkeypatch.setenv("WATCHMAN_SOCK", str(daemon.socket))
        run(main(daemon))
