"""`--archive` of the real program: tickets for pages of a site whose server restarts."""

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

# The fetch metadata that a browser sends for a page of the proxy's own origin.
PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


def archiving(project: Path, *options: str, command: list[str] | None = None) -> Proxy:
    return Proxy(project, command or backend("echo.py"), "--archive", *options)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy for tests that do not change its state."""
    project = tmp_path_factory.mktemp("shared") / "project"
    project.mkdir()
    (project / "version").write_text("1")
    with archiving(project, "--log-requests") as proxy:
        yield proxy.running()


def ask(
    proxy: Proxy,
    method: str,
    path: str,
    data: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send a request to the archive, and return the status and body of its response."""
    connection = http_connection(proxy)
    body = json.dumps(data) if data is not None else None
    connection.request(method, f"/_hpp/archive{path}", body, dict(headers or {}))
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def ticket(proxy: Proxy, *items: object, **more: object) -> str:
    """Create a ticket, and return the path of its download below `/_hpp/archive`."""
    status, body = ask(proxy, "POST", "/ticket/generate", {"items": items, **more})
    assert status == 200, body
    return f"/ticket/{json.loads(body)['id']}/download"


def members(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_download_is_a_zip_of_the_site_pages_without_admin_pages(shared: Proxy) -> None:
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
    assert b"403" in found["_errors.txt"], "the pages under /_hpp/ are forbidden"
    assert ask(shared, "GET", path)[0] == 404, "a ticket permits one download"


def test_documents_have_no_injected_script(project: Path) -> None:
    with archiving(project, command=backend("pages.py")) as proxy:
        proxy.running()
        injected = proxy.get("/", Sec_Fetch_Dest="document").body
        item = {"url": "/", "name": "page.html", "headers": {"Accept": "text/html"}}
        page = members(ask(proxy, "GET", ticket(proxy, item))[1])["page.html"]
        assert b"/_hpp/" in injected
        assert b"/_hpp/" not in page
        assert page[:15].lower() in injected.lower()


def test_items_wait_while_the_server_restarts(project: Path) -> None:
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


def test_item_of_another_origin_gets_422_unless_allowed(shared: Proxy, project: Path) -> None:
    url = f"http://127.0.0.1:{shared.backend_port}"
    with archiving(project, "--archive-allow", url) as proxy:
        found = members(ask(proxy, "GET", ticket(proxy, f"{url}/echo"))[1])
        assert b'"target"' in found["echo"]
        data = {"items": [shared.url, "http://169.254.169.254/", "http://2130706433/"]}
        status, body = ask(proxy, "POST", "/ticket/generate", data)
        assert status == 422
        assert set(json.loads(body)["errors"]["json"]["items"]) == {"0", "1", "2"}


def test_browser_page_without_the_token_gets_401(shared: Proxy) -> None:
    data = {"items": ["/version"]}
    assert ask(shared, "POST", "/ticket/generate", data, PAGE)[0] == 401
    origin = {"Origin": "https://evil.example"}
    assert ask(shared, "POST", "/ticket/generate", data, origin)[0] == 401
    assert ask(shared, "GET", "/ticket/", headers=PAGE)[0] == 401
    assert ask(shared, "GET", "/ticket/")[0] == 200


def test_admin_page_contains_a_token_that_creates_tickets(shared: Proxy) -> None:
    host = f"hpp.localhost:{shared.port}"
    connection = http_connection(shared)
    connection.request("GET", "/", headers={"Host": host, "Sec-Fetch-Dest": "document"})
    page = connection.getresponse().read().decode()
    connection.close()
    token = page.partition('name="hpp-token" content="')[2].partition('"')[0]
    data, headers = {"items": ["/version"]}, {**PAGE, "X-HPP-Token": token, "Host": host}
    assert token
    assert ask(shared, "POST", "/ticket/generate", data, headers)[0] == 200


def test_cors_preflight_of_another_site_gets_405(shared: Proxy) -> None:
    connection = http_connection(shared)
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    connection.request("OPTIONS", "/_hpp/archive/ticket/generate", headers=origin)
    response = connection.getresponse()
    connection.close()
    assert response.status == 405
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_untrusted_client_gets_403(project: Path) -> None:
    with archiving(project, "--forwarded-allow-ips", "10.0.0.0/8") as proxy:
        for path in ("/ticket/", "/ticket/generate", "/ticket/x/download"):
            assert ask(proxy, "POST", path, {"items": []})[0] == 403


def test_untrusted_client_behind_a_trusted_peer_gets_403(shared: Proxy) -> None:
    forwarded = {"X-Forwarded-For": "93.184.216.34"}
    assert ask(shared, "POST", "/ticket/generate", {"items": []}, forwarded)[0] == 403


def test_without_the_option_the_archive_gets_404(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        assert ask(proxy, "POST", "/ticket/generate", {"items": []})[0] == 404


def test_strict_archive_with_a_failed_item_is_truncated(project: Path) -> None:
    with archiving(project, "--archive-strict") as proxy:
        path = ticket(proxy, "/version", "/status/404", "/_hpp/")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(proxy, "GET", path)


def test_settings_come_from_the_file_and_not_from_the_environment(project: Path) -> None:
    settings, database = project.parent / "archive.toml", project.parent / "site.db"
    own = f"sqlite:///{project.parent / 'archive.db'}"
    settings.write_text(
        f'item_size = 1000\nmax_items = 2\ncors_origins = ["*"]\ndb_url = "{own}"\n'
    )
    of_the_site = {"DB_URL": f"sqlite:///{database}", "MAX_ITEMS": "0", "ALLOW": "x"}
    options = ("--archive", "--archive-settings", str(settings))
    secret = new_client(settings)
    with Proxy(project, backend("echo.py"), *options, environment=of_the_site) as proxy:
        data = {"items": ["/version"] * 3}
        assert ask(proxy, "POST", "/ticket/generate", data)[0] == 422
        path = ticket(proxy, "/download?bytes=1000", "/download?bytes=1001")
        found = members(ask(proxy, "GET", path)[1])
        assert len(found["download"]) == 1000
        assert b"1001 bytes, of 1000 at most" in found["_errors.txt"]
        as_client = {**PAGE, "X-Fpx-Authorize": secret}
        assert ask(proxy, "POST", "/ticket/generate", {"items": []}, as_client)[0] == 200
        assert not database.exists()


def new_client(settings: Path) -> str:
    """Create a client with the command line, and return its secret."""
    module = "httpprocessproxy.companions.archive.cli"
    words = [sys.executable, "-m", module, "client", "add", "page"]
    done = subprocess.run(
        [*words, "--config", str(settings)], check=True, capture_output=True, timeout=PATIENCE_S
    )
    return done.stdout.decode().split()[-1]


def test_database_failure_affects_only_the_archive(project: Path) -> None:
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
    """Begin a download."""
    connection = http_connection(proxy)
    with contextlib.closing(connection):
        connection.request("GET", f"/_hpp/archive{path}", headers={"Connection": "close"})
        with connection.getresponse() as response:
            assert response.read(4) == b"PK\x03\x04"
            yield response


def test_proxy_stops_during_a_download(project: Path) -> None:
    with archiving(project) as proxy, reading(proxy, ticket(proxy, ENDLESS)):
        assert proxy.stop() == 143


def test_client_that_disconnects_stops_the_fetch(shared: Proxy) -> None:
    with reading(shared, ticket(shared, ENDLESS)):
        assert "GET /download" not in shared.output
    shared.wait_output("GET /download")


INVALID = [
    (["--archive-allow", "example.org"], "--archive-allow: "),
    (["--archive-allow", "http://user@example.org"], "--archive-allow: "),
    (["--archive-settings", "/nowhere"], "cannot read /nowhere"),
]


@pytest.mark.parametrize(("options", "complaint"), INVALID)
def test_invalid_option_is_reported_at_start(options: list[str], complaint: str) -> None:
    line = [sys.executable, "-m", "httpprocessproxy", "0", "8001", "--archive", *options]
    ended = subprocess.run(
        [*line, "--exec", "true"], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert complaint in ended.stderr
