"""What many tests of the archive share: an origin, databases, and a service on each of these."""

from collections.abc import Iterator

import pytest

from test.companions.archive.origins import Origin
from test.companions.archive.postgres import Cluster, cluster
from test.companions.archive.service.services import Service, sqlite


@pytest.fixture(scope="session")
def shared_origin() -> Iterator[Origin]:
    """For pages that are only fetched."""
    with Origin() as running:
        yield running


@pytest.fixture
def origin() -> Iterator[Origin]:
    """One whose state is the test's."""
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
    """A service as it is by default, on either kind of database."""
    if request.param == "sqlite":
        url = sqlite(tmp_path_factory.mktemp("service"))
    else:
        url = request.getfixturevalue("postgres").database()
    with Service(url, "--allow", shared_origin.url) as running:
        yield running


@pytest.fixture(scope="session")
def secret(service: Service) -> str:
    """A client's, of that service."""
    return service.client()


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Origin]]:
    """A service that allows as little as it can, and the only origin it may ask."""
    limits = ("--max-items", "2", "--max-json", "200", "--downloads-per-client", "1")
    impatient = ("--stall-time", "1", "--cors-origins", "")
    with Origin() as origin:
        url = sqlite(tmp_path_factory.mktemp("tight"))
        with Service(url, "--allow", origin.url, *limits, *impatient) as running:
            yield running, origin
