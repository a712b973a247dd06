"""The choice of the watcher, by installed programs and the user's option."""

import sys
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.errors import UserError
from test.watch.daemon import Daemon
from test.watch.watching import run, watching


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, and empty; Watchman is not running."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("WATCHMAN_SOCK", raising=False)
    return folder


def chosen(name: WatcherName, project: Path) -> tuple[str, list[str]]:
    """The description of the watcher, and the warnings."""
    result: list[tuple[str, list[str]]] = []

    async def main() -> None:
        async with watching(name, project) as (reports, watcher):
            result.append((watcher.description, reports.said))

    run(main())
    return result[0]


def test_auto_takes_watchman_if_its_socket_answers(project: Path, daemon: Daemon) -> None:
    description, said = chosen("auto", project)
    assert description.startswith("Watchman ")
    assert description.endswith(": its socket answers")
    assert said == []


@pytest.mark.parametrize(
    ("name", "description"),
    [("embedded", "embedded: as you asked"), ("polling", "polling: as you asked")],
)
def test_named_watcher_is_taken_although_watchman_runs(
    project: Path, daemon: Daemon, name: WatcherName, description: str
) -> None:
    assert chosen(name, project) == (description, [])


def test_missing_watchman_is_reported_and_raises_if_named(project: Path, programs: Path) -> None:
    assert chosen("auto", project)[0].startswith("embedded: watchman is not installed")
    with pytest.raises(UserError, match=r"--watcher watchman: .* not installed \(see"):
        chosen("watchman", project)


def test_dead_watchman_socket_counts_as_not_installed(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHMAN_SOCK", str(programs / "nobody"))
    assert chosen("auto", project)[0].startswith("embedded: watchman is not installed")


def test_missing_pywatchman_is_reported_and_raises_if_named(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "exit 1")
    monkeypatch.setitem(sys.modules, "pywatchman", None)
    assert "pywatchman is not installed" in chosen("auto", project)[0]
    with pytest.raises(UserError, match=r"pip install 'http-process-proxy\[watchman\]'"):
        chosen("watchman", project)


def test_watchman_that_does_not_start_is_replaced_or_raises_if_named(
    project: Path, programs: Path
) -> None:
    pytest.importorskip("pywatchman", reason="the extra [watchman] is not installed")
    program(programs, "exit 3")
    description, said = chosen("auto", project)
    assert description == "embedded: Watchman does not serve here"
    assert said == ["cannot watch with Watchman: watchman exited with code 3"]
    with pytest.raises(UserError, match="watchman exited with code 3"):
        chosen("watchman", project)


def program(folder: Path, script: str) -> None:
    """Install a script named `watchman` on PATH."""
    file = folder / "watchman"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
