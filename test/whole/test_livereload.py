"""LiveReload protocol 7: with the browser extension, with livereload.js, and in a real browser."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from test.browser import CONNECTED, open_page
from test.deadline import MS, PATIENCE_S
from test.harness import Proxy, backend
from test.ports import free_port
from test.wire import Wire

OFFICIAL_7 = "http://livereload.com/protocols/official-7"
CHECK = "http://livereload.com/protocols/connection-check-1"
HELLO = {"command": "hello", "protocols": [OFFICIAL_7], "ver": "4.0.2"}


@contextmanager
def serving(project: Path, name: str = "echo.py") -> Iterator[tuple[Proxy, int]]:
    """Run the program with a LiveReload port of its own."""
    port = free_port()
    with Proxy(project, backend(name), "--livereload-port", str(port)) as proxy:
        yield proxy.running(), port


@contextmanager
def hello(url: str, origin: str | None = None) -> Iterator[ClientConnection]:
    """Connect and send the hello of livereload.js."""
    with connect(url, proxy=None, origin=Origin(origin) if origin else None) as socket:
        socket.send(json.dumps(HELLO))
        answer = json.loads(socket.recv(PATIENCE_S))
        assert answer["command"] == "hello"
        assert OFFICIAL_7 in answer["protocols"]
        socket.send(json.dumps({"command": "info", "plugins": {}, "url": "http://localhost/"}))
        yield socket


def urls(proxy: Proxy, port: int) -> list[str]:
    return [
        f"ws://127.0.0.1:{port}/livereload",
        f"ws://127.0.0.1:{proxy.port}/_hpp/livereload",
    ]


def assert_one_reload(socket: ClientConnection) -> None:
    message = json.loads(socket.recv(PATIENCE_S))
    assert message["command"] == "reload"
    assert isinstance(message["path"], str)
    with pytest.raises(TimeoutError):
        socket.recv(300 * MS)


def test_restart_sends_one_reload(project: Path) -> None:
    with serving(project) as (proxy, port):
        for url in urls(proxy, port):
            with hello(url) as socket:
                for version in ("1", "2"):
                    proxy.save("a.py", version)
                    assert_one_reload(socket)
                    assert proxy.status()["state"] == "running"


def test_crash_and_recovery_send_one_reload_each(project: Path) -> None:
    with serving(project) as (proxy, port), hello(urls(proxy, port)[0]) as socket:
        proxy.get("/crash")
        assert_one_reload(socket)
        assert proxy.status()["state"] == "error"
        proxy.save("a.py", "")
        assert_one_reload(socket)
        assert proxy.status()["state"] == "running"


def test_extension_finds_the_livereload_port(project: Path) -> None:
    """It probes by a protocol of its own, leaves that WebSocket open, and fetches the script."""
    with (
        serving(project) as (_, port),
        connect(f"ws://127.0.0.1:{port}/livereload", proxy=None) as socket,
        Wire.connect(port) as wire,
    ):
        socket.send(json.dumps({"command": "hello", "protocols": [CHECK]}))
        assert str(socket.recv(1000 * MS)).startswith("{")
        wire.send(b"GET /livereload.js?ext=Chrome&extver=2.1.0 HTTP/1.1\r\n")
        wire.send(f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        response = wire.response()
        assert response.status == 200
        assert b"javascript" in (response.get(b"Content-Type") or b"")
        assert b"official-7" in response.body


def test_script_is_also_on_the_proxys_own_port(project: Path) -> None:
    with serving(project) as (proxy, _):
        response = proxy.get("/_hpp/livereload.js")
        assert response.status == 200
        assert b"official-7" in response.body


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_page_of_another_site_is_refused(project: Path, origin: str) -> None:
    with serving(project) as (proxy, port):
        for url in urls(proxy, port):
            with pytest.raises(InvalidStatus), hello(url, origin):
                pass


def test_page_of_the_proxied_site_may_use_the_livereload_port(project: Path) -> None:
    """The page's origin differs from that of the extension's script, and is allowed."""
    with serving(project) as (proxy, port):
        for origin in (proxy.url, f"http://localhost:{proxy.port}"):
            with hello(f"ws://127.0.0.1:{port}/livereload", origin):
                pass


def test_invalid_messages_do_not_disturb_other_clients(project: Path) -> None:
    with serving(project) as (proxy, port), hello(urls(proxy, port)[0]) as good:
        for nonsense in ("", "{", "[]", '"x"', '{"command": 7}', "\0", "{}" * 100_000):
            with connect(urls(proxy, port)[0], proxy=None) as socket:
                socket.send(nonsense)
        proxy.save("a.py", "")
        assert_one_reload(good)


PAGE = """<!doctype html><title>{version}</title>
<script src="/_hpp/livereload.js?port={port}&path=_hpp/livereload&mindelay=50&maxdelay=200">
</script><p>{version}</p>"""


def test_real_browser_reloads_after_a_save(project: Path) -> None:
    with serving(project, "files.py") as (proxy, _), open_page() as page:
        proxy.save("index.html", PAGE.format(version="first", port=proxy.port))
        proxy.wait_state("running", after=1)
        page.goto(proxy.url)
        page.wait_for_selector(CONNECTED)
        assert page.title() == "first"
        proxy.save("index.html", PAGE.format(version="second", port=proxy.port), by="rename")
        expect(page).to_have_title("second")


def test_real_browser_shows_the_crash_and_reloads_after_it(project: Path) -> None:
    (project / "index.html").write_text("<!doctype html><title>healthy</title>")
    (project / "crash").touch()
    with Proxy(project, backend("files.py")) as proxy, open_page() as page:
        proxy.wait_state("error")
        page.goto(proxy.url)
        assert "503" in page.title()
        assert "asked to crash" in page.inner_text("pre")
        (project / "crash").unlink()
        expect(page).to_have_title("healthy")
