"""Shared fixtures: origins, databases, and a service on each kind of database."""

from collections.abc import Iterator

import pytest

from test.companions.archive.origins import Origin
from test.companions.archive.postgres import Cluster, cluster
from test.companions.archive.service.services import Service, sqlite


@pytest.fixture(scope="session")
def shared_origin() -> Iterator[Origin]:
    """An origin for tests that only fetch pages."""
    with Origin() as running:
        yield running


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin with state of its own for one test."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return sqlite(request.getfixturevalue("tmp_path"))
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest,
    shared_origin: Origin,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service with default options, on each kind of database."""
    if request.param == "sqlite":
        url = sqlite(tmp_path_factory.mktemp("service"))
    else:
        url = request.getfixturevalue("postgres").database()
    with Service(url, "--allow", shared_origin.url) as running:
        yield running


@pytest.fixture(scope="session")
def secret(service: Service) -> str:
    """The secret of a client of `service`."""
    return service.client()


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Origin]]:
    """A service with minimal limits, and the only origin that it may fetch from."""
    limits = ("--max-items", "2", "--max-json", "200", "--downloads-per-client", "1")
    impatient = ("--stall-time", "1", "--cors-origins", "")
    with Origin() as origin:
        url = sqlite(tmp_path_factory.mktemp("tight"))
        with Service(url, "--allow", origin.url, *limits, *impatient) as running:
            yield running, origin
