"""`--share` end to end: restarts lose no visit, and the proxy's own pages refuse visitors."""

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from test.browser import open_page
from test.companions.share.conftest import fresh
from test.companions.share.relays import TOKEN, Relay, host_of, request, write_tokens
from test.companions.share.workers import token_file
from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend


@contextlib.contextmanager
def sharing(
    relay: Relay, site: str, project: Path, *options: str, command: list[str] | None = None
) -> Iterator[Proxy]:
    """The proxy, with its share connected to the relay."""
    token = token_file(project.parent, site)
    relay_url = f"http://127.0.0.1:{relay.port}"
    share = ("--share", relay_url, "--share-token-file", str(token), *options)
    with Proxy(project, command or backend("echo.py"), *share) as proxy:
        eventually(lambda: relay.waiting(site) >= 1)
        yield proxy.running()


def test_visits_during_a_restart_all_get_200(public_relay: Relay, site: str, project: Path) -> None:
    (project / "version").write_text("0")
    done = threading.Event()
    versions: list[str] = []

    def visit(number: int) -> None:
        while not done.is_set():
            answer = public_relay.get("/version", host_of(site))
            assert answer.status == 200, answer
            versions.append(answer.body.decode())

    with sharing(public_relay, site, project) as proxy, ThreadPoolExecutor(8) as pool:
        visitors = [pool.submit(visit, number) for number in range(8)]
        try:
            for number in range(1, 4):
                with proxy.restart():
                    proxy.save("version", str(number))
                    eventually(lambda: len(versions) > 50)
                versions.clear()
                eventually(lambda: len(versions) > 50)
        finally:
            done.set()
        for visitor in visitors:
            visitor.result(PATIENCE_S)
        assert public_relay.get("/version", host_of(site)).body == b"3"


def test_visitor_gets_503_without_server_output_after_a_crash(
    public_relay: Relay, site: str, project: Path
) -> None:
    with sharing(public_relay, site, project) as proxy:
        public_relay.get("/crash", host_of(site))
        proxy.wait_state("error")
        answer = public_relay.get("/", host_of(site))
    assert answer.status == 503
    assert b"The server has ended" in answer.body
    assert b"asked for it" not in answer.body


OURS = ["/_hpp/", "/_hpp/status", "/_hpp/requests", "/_hpp/restart", "/_hpp/livereload.css"]


@pytest.mark.parametrize("target", OURS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_proxy_pages_get_403_for_visitors(
    closed: tuple[Relay, str], target: str, method: str
) -> None:
    relay, site = closed
    lies = {"X_Forwarded_For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    assert relay.get(target, host_of(site), method, b"", **lies).status == 403


def test_client_script_and_events_are_open_without_private_data(closed: tuple[Relay, str]) -> None:
    relay, site = closed
    script = relay.get("/_hpp/client.js", host_of(site))
    assert script.status == 200
    url = f"ws://{host_of(site)}:{relay.port}/_hpp/events"
    sock = socket.create_connection(("127.0.0.1", relay.port), PATIENCE_S)
    with connect(url, sock=sock) as page:
        page.send(json.dumps({"type": "hello", "topics": ["output", "request", "notice"]}))
        hello = json.loads(page.recv(PATIENCE_S))
    assert (hello["folder"], hello["command"], hello["editor"]) == ("", "", "")


@pytest.fixture(scope="module")
def closed(
    public_relay: Relay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Relay, str]]:
    site = fresh()
    with sharing(public_relay, site, tmp_path_factory.mktemp("closed") / "project"):
        yield public_relay, site


def test_server_gets_forwarding_fields_of_the_visitor(closed: tuple[Relay, str]) -> None:
    relay, site = closed
    seen = json.loads(relay.get("/", host_of(site)).body)
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["host"] == host_of(site)
    assert headers["forwarded"].startswith(f'for=127.0.0.1;host="{host_of(site)}";proto=http')
    assert headers["x-forwarded-for"].startswith("127.0.0.1")


def test_large_bodies_pass_unchanged_both_ways(closed: tuple[Relay, str]) -> None:
    """Each is larger than the link's window."""
    relay, site = closed
    body = os.urandom(5 * 1024 * 1024)
    seen = json.loads(relay.get("/", host_of(site), "POST", body).body)
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()
    download = relay.get(f"/download?bytes={len(body)}", host_of(site))
    assert download.body == bytes(range(256)) * (len(body) // 256)


def test_requests_in_chunks_and_without_a_body_reach_the_server(closed: tuple[Relay, str]) -> None:
    relay, site = closed
    with relay.connect() as wire:
        wire.send(request("/", host_of(site), "POST", Transfer_Encoding="chunked"))
        wire.send(b"5\r\nhello\r\n", b"0\r\n\r\n")
        seen = json.loads(wire.response().body)
    assert (seen["length"], seen["sha256"]) == (5, hashlib.sha256(b"hello").hexdigest())
    bare = json.loads(relay.get("/", host_of(site)).body)["headers"]
    assert not {"transfer-encoding", "content-length"} & {name.lower() for name, _ in bare}


def test_visit_ends_when_visitor_leaves(public_relay: Relay, site: str, project: Path) -> None:
    with sharing(public_relay, site, project) as proxy:
        with public_relay.connect() as wire:
            wire.send(request("/sse?ms=5", host_of(site)))
            wire.until(b"data: 3\n\n")
        proxy.wait_output(r"visit 127\.0\.0\.1 GET /sse\?ms=5 200 ")


def test_websockets_echo_messages_through_the_proxy(
    public_relay: Relay, site: str, project: Path
) -> None:
    with sharing(public_relay, site, project, command=backend("websocket_echo.py")):
        sock = socket.create_connection(("127.0.0.1", public_relay.port), PATIENCE_S)
        with connect(f"ws://{host_of(site)}:{public_relay.port}/", sock=sock) as page:
            for message in ("hello", "x" * 100_000, ""):
                page.send(message)
                assert page.recv(PATIENCE_S) == message
            page.send("close 4001")
            with pytest.raises(ConnectionClosed):
                page.recv(PATIENCE_S)
            assert page.close_code == 4001


def test_terminal_shows_public_url_rules_and_each_visit(
    public_relay: Relay, site: str, project: Path
) -> None:
    options = ("--share-auth", "ann:secret", "--share-allow", "GET /public/**")
    with sharing(public_relay, site, project, *options) as proxy:
        url = f"http://{host_of(site)}:{public_relay.port}/"
        shown = proxy.wait_output(rf"share: {re.escape(url)} \((.*)\)")
        assert "password of ann" in shown[1]
        assert "GET /public/**" in shown[1]
        proxy.wait_output("share: connected, streaming")
        assert public_relay.get("/public/a", host_of(site)).status == 401
        proxy.wait_output(r"visit 127\.0\.0\.1 GET /public/a 401 \d+ ms")
        asked = {"Authorization": "Basic YW5uOnNlY3JldA=="}
        seen = public_relay.get("/public/a", host_of(site), "GET", b"", **asked)
        assert seen.status == 200
        assert b"YW5uOnNlY3JldA" not in seen.body
        assert public_relay.get("/private", host_of(site), "GET", b"", **asked).status == 403
        assert "secret" not in proxy.output


def test_wrong_token_ends_the_share_and_not_the_proxy(
    public_relay: Relay, site: str, project: Path
) -> None:
    token = project.parent / "token"
    token.write_text("nonsense\n")
    relay_url = f"http://127.0.0.1:{public_relay.port}"
    options = ("--share-name", host_of(site), "--share-token-file", str(token))
    with Proxy(project, backend("echo.py"), "--share", relay_url, *options) as proxy:
        proxy.wait_output(r"share: the relay .* the token is wrong.*not shared any more")
        assert proxy.running().get("/").status == 200
        assert proxy.output.count("token is wrong") == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--share", "example.test"], "not a relay"),
        (["--share", "http://a.test", "--share-auth", "ann"], "--share-auth: not a user"),
    ],
)
def test_invalid_options_give_a_one_line_error(
    project: Path, options: list[str], line: str
) -> None:
    command = [sys.executable, "-m", "httpprocessproxy", "0", "auto", *options, "--exec", "true"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_page_reloads_in_the_browser_of_a_visitor(tmp_path: Path, project: Path) -> None:
    page_of = "<!doctype html><title>{}</title><p>hello"
    (project / "index.html").write_text(page_of.format("one"))
    # Browsers resolve subdomains of localhost without DNS.
    tokens = write_tokens(tmp_path / "tokens", "visited.localhost")
    token = tmp_path / "token"
    token.write_text(f"visited.localhost {TOKEN.format('visited.localhost')}\n")
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with Relay(tokens) as relay:
        url = f"http://127.0.0.1:{relay.port}"
        share = ("--share", url, "--share-token-file", str(token))
        with Proxy(project, command, *share) as proxy, open_page() as page:
            proxy.wait_output("connected, streaming")
            page.goto(f"http://visited.localhost:{relay.port}/")
            expect(page).to_have_title("one")
            proxy.save("index.html", page_of.format("two"))
            expect(page).to_have_title("two")
