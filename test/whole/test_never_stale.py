"""A request sent after a save is answered by the code of that save."""

import http.client
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend, http_connection

SAVES = 100
MANY_SAVES = 2_000


def write(proxy: Proxy, version: str) -> None:
    proxy.save("version", version)


def rename(proxy: Proxy, version: str) -> None:
    proxy.save("version", version, by="rename")


def with_others(proxy: Proxy, version: str) -> None:
    """The file that counts is the last of several, one of them in a new folder."""
    folder = proxy.project / f"new-{version}"
    folder.mkdir()
    (folder / "a.py").write_text(version)
    (proxy.project / "b.py").write_text(version)
    proxy.save("version", version)


HOW: list[Callable[[Proxy, str], None]] = [write, rename, with_others]


def ask(connection: http.client.HTTPConnection, **fields: str) -> tuple[str, int]:
    """The version of the code that answers, and its generation."""
    connection.request("GET", "/version", headers=fields)
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    return body, int(response.headers["Hpp-Generation"])


def save_and_ask(proxy: Proxy, saves: int, fields: dict[str, str]) -> None:
    """Ask right after each of many saves; every second time on a connection that is kept."""
    chance = random.Random(saves)
    last = 0
    with closing(http_connection(proxy)) as kept:
        for number in range(1, saves + 1):
            if chance.random() < 0.3:
                ask(kept, **fields)  # a server that is busy, or not, at the time of the save
            chance.choice(HOW)(proxy, str(number))
            with closing(http_connection(proxy)) as new:
                version, generation = ask(chance.choice((kept, new)), **fields)
            assert version == str(number)
            assert generation > last
            last = generation


def test_no_answer_is_older_than_the_save_before_it(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        save_and_ask(proxy, SAVES, {})


@pytest.mark.slow
def test_no_answer_of_very_many_is_older_than_the_save_before_it(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        save_and_ask(proxy, MANY_SAVES, {})


@pytest.mark.parametrize("watcher", ["watchman", "polling"])
@pytest.mark.parametrize(
    "fields",
    [{"Hpp-Sync": "1"}, {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}],
    ids=["sync", "page"],
)
def test_fenced_request_is_answered_by_the_code_of_the_save(
    project: Path, watcher: str, fields: dict[str, str], request: pytest.FixtureRequest
) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py"), "--watcher", watcher) as proxy:
        proxy.running()
        save_and_ask(proxy, 20, fields)


@pytest.mark.parametrize("watcher", ["embedded", "watchman", "polling"])
def test_status_that_waits_is_of_the_save_before_it(project: Path, watcher: str) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py"), "--watcher", watcher) as proxy:
        last = proxy.running().status()["generation"]
        for number in range(1, 11):
            proxy.save("version", str(number))
            with closing(http_connection(proxy)) as connection:
                connection.timeout = PATIENCE_S
                connection.request("GET", "/_hpp/status?wait=running")
                assert connection.getresponse().status == 200
            assert proxy.status()["generation"] > last
            last = proxy.status()["generation"]
            assert proxy.get("/version").body == str(number).encode()


def test_request_after_the_mend_of_a_crash_is_not_refused(project: Path) -> None:
    (project / "server.py").write_text("raise SystemExit(1)")
    works = (Path(__file__).parents[1] / "backends" / "echo.py").read_text()
    with Proxy(project, ["python3", "server.py", "{port}"]) as proxy:
        for _ in range(5):
            proxy.wait_state("error")
            (project / "server.py").write_text(works)
            assert proxy.get("/version").status == 200
            (project / "server.py").write_text("raise SystemExit(1)")
            assert proxy.get("/version").status == 503


def test_only_trusted_clients_learn_the_generation(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        assert proxy.get("/version").get(b"Hpp-Generation") == b"1"
    with Proxy(project, backend("echo.py"), "--forwarded-allow-ips", "192.0.2.1/32") as proxy:
        assert proxy.get("/version").get(b"Hpp-Generation") is None
