"""Fixtures: every watcher in turn, and a private Watchman daemon."""

from collections.abc import Iterator

import pytest

from httpprocessproxy.config import WatcherName
from test.watch.daemon import Daemon, running

WATCHERS: list[WatcherName] = ["watchman", "embedded", "polling"]


@pytest.fixture(scope="session")
def session_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    pytest.importorskip("pywatchman", reason="the extra [watchman] is not installed")
    with running(tmp_path_factory.mktemp("watchman")) as daemon:
        yield daemon


@pytest.fixture
def daemon(session_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A private Watchman daemon, which pywatchman finds instead of the user's."""
    monkeypatch.setenv("WATCHMAN_SOCK", str(session_daemon.socket))
    return session_daemon


@pytest.fixture(params=WATCHERS)
def name(request: pytest.FixtureRequest) -> WatcherName:
    """Every watcher in turn."""
    chosen: WatcherName = request.param
    if chosen == "watchman":
        request.getfixturevalue("daemon")
    return chosen
