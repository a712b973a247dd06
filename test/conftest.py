"""Fixtures: asyncio's debug mode and a check for contained bugs, for all tests; folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from httpprocessproxy.system import faults

# The same examples in each run, and no deadline, which would depend on the machine's load.
settings.register_profile("repeatable", derandomize=True, deadline=None)
# For a quick check: --hypothesis-profile=few.
settings.register_profile("few", derandomize=True, deadline=None, max_examples=10)
settings.load_profile("repeatable")


# Files that take longest: as the last ones they would leave one process of pytest-xdist idle.
FIRST = ("test/test_benchmark.py", "test/whole/", "test/process/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    places = [at for at, path in enumerate(FIRST) if item.nodeid.startswith(path)]
    return places[0] if places else len(FIRST)


@pytest.fixture(autouse=True, scope="session")
def _asyncio_debug() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONASYNCIODEBUG", "1")
        yield


@pytest.fixture(autouse=True)
def _no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a bug was contained, unless it is marked `expects_faults`."""
    before = faults.count()
    yield
    if request.node.get_closest_marker("expects_faults") is None:
        assert faults.count() == before, "a bug was contained: see the captured log"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder, for the working directory of the program."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home; returns the path of the future folder for certificates."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("CAROOT", raising=False)
    return home / ".local/share/http-process-proxy/tls"
