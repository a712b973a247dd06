"""Requests sent after a save are answered by the code of that save."""

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
    """Save several files, one of them in a new folder; the file of the version is the last."""
    folder = proxy.project / f"new-{version}"
    folder.mkdir()
    (folder / "a.py").write_text(version)
    (proxy.project / "b.py").write_text(version)
    proxy.save("version", version)


HOW: list[Callable[[Proxy, str], None]] = [write, rename, with_others]


def ask(connection: http.client.HTTPConnection, **fields: str) -> tuple[str, int]:
    """Send a GET; return the version of the code that answers, and its generation."""
    connection.request("GET", "/version", headers=fields)
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    return body, int(response.headers["Hpp-Generation"])


def save_and_ask(proxy: Proxy, saves: int, fields: dict[str, str]) -> None:
    """Send a GET right after each of many saves, every second time on a kept connection."""
    chance = random.Random(saves)
    last = 0
    with closing(http_connection(proxy)) as kept:
        for number in range(1, saves + 1):
            if chance.random() < 0.3:
                ask(kept, **fields)  # the server is busy at the time of some saves
            chance.choice(HOW)(proxy, str(number))
            with closing(http_connection(proxy)) as new:
                version, generation = ask(chance.choice((kept, new)), **fields)
            assert version == str(number)
            assert generation > last
            last = generation


def test_no_response_is_older_than_the_save_before_it(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        save_and_ask(proxy, SAVES, {})


@pytest.mark.slow
def test_no_response_of_very_many_is_older_than_the_save_before_it(project: Path) -> None:
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
    with Proxy(project, backend("echo.py"), watcher=watcher) as proxy:
        proxy.running()
        save_and_ask(proxy, 20, fields)


@pytest.mark.parametrize("watcher", ["embedded", "watchman", "polling"])
def test_awaited_status_covers_the_save_before_it(project: Path, watcher: str) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py"), watcher=watcher) as proxy:
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


def test_request_after_the_repair_of_a_crash_is_not_refused(project: Path) -> None:
    (project / "server.py").write_text("raise SystemExit(1)")
    works = (Path(__file__).parents[1] / "backends" / "echo.py").read_text()
    with Proxy(project, ["python3", "server.py", "{port}"]) as proxy:
        for _ in range(5):
            proxy.wait_state("error")
            (project / "server.py").write_text(works)
            assert proxy.get("/version").status == 200
            (project / "server.py").write_text("raise SystemExit(1)")
            assert proxy.get("/version").status == 503


def test_only_trusted_clients_get_the_generation(project: Path) -> None:
    (project / "version").write_text("0")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        assert proxy.get("/version").get(b"Hpp-Generation") == b"1"
    with Proxy(project, backend("echo.py"), "--forwarded-allow-ips", "192.0.2.1/32") as proxy:
        assert proxy.get("/version").get(b"Hpp-Generation") is None
