"""`--archive` as its users run it: tickets for pages of a site that comes and goes."""

import contextlib
import http.client
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend, http_connection
from test.ports import free_port

# A page of our own origin, in any browser.
PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


def archiving(project: Path, *options: str, command: list[str] | None = None) -> Proxy:
    return Proxy(project, command or backend("echo.py"), "--archive", *options)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """For tests that leave it as it was."""
    project = tmp_path_factory.mktemp("shared") / "project"
    project.mkdir()
    (project / "version").write_text("1")
    with archiving(project, "--log-requests") as proxy:
        yield proxy.running()


def ask(
    proxy: Proxy,
    method: str,
    path: str,
    said: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request to the archive: its status, and its body."""
    connection = http_connection(proxy)
    body = json.dumps(said) if said is not None else None
    connection.request(method, f"/_hpp/archive{path}", body, dict(headers or {}))
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def ticket(proxy: Proxy, *items: object, **more: object) -> str:
    """Order an archive; its path under the archive's."""
    status, body = ask(proxy, "POST", "/ticket/generate", {"items": items, **more})
    assert status == 200, body
    return f"/ticket/{json.loads(body)['id']}/download"


def members(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_pages_of_the_site_become_a_zip(shared: Proxy) -> None:
    own = f"http://localhost:{shared.port}"
    path = ticket(shared, "/version", {"url": f"{own}/echo", "name": "seen.json"}, "/_hpp/")
    status, body = ask(shared, "GET", path)
    assert status == 200
    found = members(body)
    assert found["version"] == b"1"
    seen = json.loads(found["seen.json"])
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert fields["host"] == fields["x-forwarded-host"] == f"localhost:{shared.port}"
    assert fields["x-forwarded-proto"] == "http"
    assert b"403" in found["_errors.txt"], "our own pages are closed"
    assert ask(shared, "GET", path)[0] == 404, "a ticket is for once"


def test_documents_are_as_the_server_made_them(project: Path) -> None:
    with archiving(project, command=backend("pages.py")) as proxy:
        proxy.running()
        injected = proxy.get("/", Sec_Fetch_Dest="document").body
        item = {"url": "/", "name": "page.html", "headers": {"Accept": "text/html"}}
        page = members(ask(proxy, "GET", ticket(proxy, item))[1])["page.html"]
        assert b"/_hpp/" in injected
        assert b"/_hpp/" not in page
        assert page[:15].lower() in injected.lower()


def test_items_wait_for_a_server_that_starts(project: Path) -> None:
    (project / "version").write_text("1")
    with archiving(project) as proxy:
        proxy.running()
        path = ticket(proxy, "/version", "/version?2")
        for number in range(2, 5):
            with proxy.restart():
                proxy.save("version", str(number))
                body = ask(proxy, "GET", path)[1]
            assert set(members(body).values()) <= {str(number).encode(), b"%d" % (number - 1)}
            assert len(members(body)) == 2
            path = ticket(proxy, "/version", "/version?2")
        assert set(members(ask(proxy, "GET", path)[1]).values()) == {b"4"}


def test_other_origins_have_to_be_allowed(shared: Proxy, project: Path) -> None:
    url = f"http://127.0.0.1:{shared.backend_port}"
    with archiving(project, "--archive-allow", url) as proxy:
        found = members(ask(proxy, "GET", ticket(proxy, f"{url}/echo"))[1])
        assert b'"target"' in found["echo"]
        said = {"items": [shared.url, "http://169.254.169.254/", "http://2130706433/"]}
        status, body = ask(proxy, "POST", "/ticket/generate", said)
        assert status == 422
        assert set(json.loads(body)["errors"]["json"]["items"]) == {"0", "1", "2"}


def test_a_page_needs_the_token(shared: Proxy) -> None:
    said = {"items": ["/version"]}
    assert ask(shared, "POST", "/ticket/generate", said, PAGE)[0] == 401
    origin = {"Origin": "https://evil.example"}
    assert ask(shared, "POST", "/ticket/generate", said, origin)[0] == 401
    assert ask(shared, "GET", "/ticket/", headers=PAGE)[0] == 401
    assert ask(shared, "GET", "/ticket/")[0] == 200


def test_the_page_about_the_proxy_has_the_token(shared: Proxy) -> None:
    host = f"hpp.localhost:{shared.port}"
    connection = http_connection(shared)
    connection.request("GET", "/", headers={"Host": host, "Sec-Fetch-Dest": "document"})
    page = connection.getresponse().read().decode()
    connection.close()
    token = page.partition('name="hpp-token" content="')[2].partition('"')[0]
    said, headers = {"items": ["/version"]}, {**PAGE, "X-HPP-Token": token, "Host": host}
    assert token
    assert ask(shared, "POST", "/ticket/generate", said, headers)[0] == 200


def test_no_other_site_may_read_answers(shared: Proxy) -> None:
    connection = http_connection(shared)
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    connection.request("OPTIONS", "/_hpp/archive/ticket/generate", headers=origin)
    response = connection.getresponse()
    connection.close()
    assert response.status == 405
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_strangers_are_turned_away(project: Path) -> None:
    with archiving(project, "--forwarded-allow-ips", "10.0.0.0/8") as proxy:
        for path in ("/ticket/", "/ticket/generate", "/ticket/x/download"):
            assert ask(proxy, "POST", path, {"items": []})[0] == 403


def test_those_for_whom_a_trusted_peer_speaks_are_strangers(shared: Proxy) -> None:
    forwarded = {"X-Forwarded-For": "93.184.216.34"}
    assert ask(shared, "POST", "/ticket/generate", {"items": []}, forwarded)[0] == 403


def test_without_the_option_there_is_none(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        assert ask(proxy, "POST", "/ticket/generate", {"items": []})[0] == 404


def test_a_strict_archive_is_broken_off(project: Path) -> None:
    with archiving(project, "--archive-strict") as proxy:
        path = ticket(proxy, "/version", "/status/404", "/_hpp/")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(proxy, "GET", path)


def test_settings_are_those_of_a_file_and_not_of_the_environment(project: Path) -> None:
    settings, database = project.parent / "archive.toml", project.parent / "site.db"
    own = f"sqlite:///{project.parent / 'archive.db'}"
    settings.write_text(
        f'item_size = 1000\nmax_items = 2\ncors_origins = ["*"]\ndb_url = "{own}"\n'
    )
    of_the_site = {"DB_URL": f"sqlite:///{database}", "MAX_ITEMS": "0", "ALLOW": "x"}
    options = ("--archive", "--archive-settings", str(settings))
    secret = new_client(settings)
    with Proxy(project, backend("echo.py"), *options, environment=of_the_site) as proxy:
        said = {"items": ["/version"] * 3}
        assert ask(proxy, "POST", "/ticket/generate", said)[0] == 422
        path = ticket(proxy, "/download?bytes=1000", "/download?bytes=1001")
        found = members(ask(proxy, "GET", path)[1])
        assert len(found["download"]) == 1000
        assert b"1001 bytes, of 1000 at most" in found["_errors.txt"]
        as_client = {**PAGE, "X-Fpx-Authorize": secret}
        assert ask(proxy, "POST", "/ticket/generate", {"items": []}, as_client)[0] == 200
        assert not database.exists()


def new_client(settings: Path) -> str:
    """The secret of a client that is made from a shell."""
    words = [sys.executable, "-m", "httpprocessproxy.companions.archive", "client", "add", "page"]
    told = subprocess.run(
        [*words, "--config", str(settings)], check=True, capture_output=True, timeout=PATIENCE_S
    )
    return told.stdout.decode().split()[-1]


def test_a_database_out_of_order_costs_the_archive_alone(project: Path) -> None:
    settings = project.parent / "archive.toml"
    settings.write_text(f'db_url = "postgresql://x@127.0.0.1:{free_port()}/none"\n')
    with archiving(project, "--archive-settings", str(settings)) as proxy:
        for _ in range(2):
            assert ask(proxy, "GET", "/ticket/")[0] >= 500
        proxy.wait_output("archive: ")
        assert proxy.running().get("/version").status == 200


ENDLESS = "/download?bytes=10000000000"


@contextlib.contextmanager
def reading(proxy: Proxy, path: str) -> Iterator[http.client.HTTPResponse]:
    """A download that has begun."""
    connection = http_connection(proxy)
    with contextlib.closing(connection):
        connection.request("GET", f"/_hpp/archive{path}", headers={"Connection": "close"})
        with connection.getresponse() as response:
            assert response.read(4) == b"PK\x03\x04"
            yield response


def test_a_download_ends_with_the_program(project: Path) -> None:
    with archiving(project) as proxy, reading(proxy, ticket(proxy, ENDLESS)):
        assert proxy.stop() == 143


def test_nothing_is_fetched_for_who_has_left(shared: Proxy) -> None:
    with reading(shared, ticket(shared, ENDLESS)):
        assert "GET /download" not in shared.output
    shared.wait_output("GET /download")


USELESS = [
    (["--archive-allow", "example.org"], "--archive-allow: "),
    (["--archive-allow", "http://user@example.org"], "--archive-allow: "),
    (["--archive-settings", "/nowhere"], "cannot read /nowhere"),
]


@pytest.mark.parametrize(("options", "said"), USELESS)
def test_what_is_wrong_is_told_at_once(options: list[str], said: str) -> None:
    line = [sys.executable, "-m", "httpprocessproxy", "0", "8001", "--archive", *options]
    ended = subprocess.run(
        [*line, "--exec", "true"], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert said in ended.stderr
