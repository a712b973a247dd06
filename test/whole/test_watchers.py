"""Other watchers through the whole program; all other tests here use the embedded one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from test.deadline import MS, eventually
from test.harness import Proxy, backend
from test.watch.daemon import running


@pytest.fixture
def own_watchman(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that selects a Watchman of the test's own."""
    folder = tmp_path / "watchman"
    folder.mkdir()
    with running(folder) as daemon:
        yield {"WATCHMAN_SOCK": str(daemon.socket)}


def assert_saves_are_seen(proxy: Proxy) -> None:
    assert proxy.running().get("/version").body == b"0"
    for number in range(1, 4):
        with proxy.restart():
            proxy.save("version", f"{number}", by="rename" if number % 2 else "write")
        assert proxy.get("/version").body == f"{number}".encode()
    assert proxy.status()["generation"] == 4


@pytest.mark.parametrize(("watcher", "name"), [("watchman", "watchman"), ("auto", "watchman")])
def test_watchman_sees_saves(
    project: Path, own_watchman: Mapping[str, str], watcher: str, name: str
) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py"), watcher=watcher, environment=own_watchman) as proxy:
        assert_saves_are_seen(proxy)
        assert name in proxy.status()["watcher"].lower()
        proxy.wait_output(r"(?i)watchman [0-9]")


def test_polling_sees_saves(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py"), watcher="polling") as proxy:
        assert_saves_are_seen(proxy)
        assert "polling" in proxy.status()["watcher"].lower()


def test_auto_without_watchman_is_the_embedded_watcher(project: Path) -> None:
    (project / "version").write_text("0")
    nowhere = {"PATH": "/nonexistent", "WATCHMAN_SOCK": ""}
    with Proxy(project, backend("echo.py"), watcher="auto", environment=nowhere) as proxy:
        assert_saves_are_seen(proxy)
        assert "embedded" in proxy.status()["watcher"].lower()


def test_watchman_started_by_the_proxy_outlives_it(project: Path, tmp_path: Path) -> None:
    """It serves later runs, too; a restart must not kill it as a process of the backend."""
    (project / "version").write_text("0")
    state = tmp_path / "state"
    state.mkdir()
    own = {"USER": "hpp", "LOGNAME": "hpp", "TMPDIR": str(state), "HOME": str(state)}
    with Proxy(project, backend("echo.py"), watcher="watchman", environment=own) as proxy:
        assert_saves_are_seen(proxy)
        assert proxy.stop() == 143
        assert [command.split()[0] for command in proxy.left_over().values()] == ["watchman"]


@pytest.mark.parametrize("is_ended_at_once", [True, False])
def test_watchman_program_that_hangs_delays_the_start_and_not_the_end(
    project: Path, tmp_path: Path, is_ended_at_once: bool
) -> None:
    program = tmp_path / "programs" / "watchman"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ntouch begun\nsleep 60\n")
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "WATCHMAN_SOCK": "",
    }
    with Proxy(project, backend("echo.py"), watcher="auto", environment=environment) as proxy:
        eventually((project / "begun").exists)
        if not is_ended_at_once:
            proxy.wait_output(r"Watchman.* does not .*within 5 s")
            proxy.running()
            assert proxy.status()["watcher"].startswith("embedded")
        assert proxy.stop(within_s=2000 * MS) == 143
