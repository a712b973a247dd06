"""Attacks: pages of other sites, DNS rebinding, malformed requests."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from test.harness import Proxy, backend
from test.processes import descriptors
from test.wire import Message

if TYPE_CHECKING:
    from test.whole.conftest import Dialogue

OUR_PAGES = [b"/_hpp/status", b"/_hpp/livereload.js", b"/_hpp/livereload", b"/_hpp/"]

STRANGE_HOSTS = [
    *(b"evil.example", b"localhost.evil.example", b"127.0.0.1.nip.io", b"localhost:99999"),
    *(
        b"[::1",
        b"[::ffff:127.0.0.1]",
        b"",
        b"a@localhost",
        b"evil.example:80",
        b"xn--e1afmkfd.test",
    ),
    *(b"h" * 60_000, b"local\x00host", b"localhost\r\nHost: localhost", b"%6cocalhost", b"a/b"),
    *(b"[::1]x", b"localhost:", b"localhost:8a", b"..", b".", b"\xff", b"0x7f.1.evil"),
]
OWN_HOSTS = [
    *(b"localhost", b"LOCALHOST:1", b"app.localhost", b"127.0.0.1", b"[::1]:8000", b"192.0.2.7"),
    *(b"devbox", b"devbox:8000"),
]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_own_host_is_accepted(dialogue: Dialogue, host: bytes) -> None:
    assert dialogue.seen(b"GET / HTTP/1.1", b"Host: " + host).get(b"Host") == host


@pytest.mark.parametrize("host", STRANGE_HOSTS, ids=lambda host: repr(host[:30]))
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_other_host_is_refused(dialogue: Dialogue, host: bytes, method: bytes) -> None:
    if host in (b"localhost:",):  # RFC 9110 allows an empty port
        return
    request = dialogue.head(b"%b / HTTP/1.1" % method, b"Host: " + host, b"Content-Length: 0")
    dialogue.assert_refused(request, 400, 403, 414, 431)


def test_refusal_of_a_host_names_the_option(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1", b"Host: app.example.test")
    response = client.response()
    assert response.status == 403
    assert b"--allowed-host app.example.test" in response.body


@pytest.mark.parametrize("page", OUR_PAGES)
def test_other_host_is_refused_by_the_admin_pages(dialogue: Dialogue, page: bytes) -> None:
    response = dialogue.send(b"GET %b HTTP/1.1" % page, b"Host: evil.example").response()
    assert response.status == 403


def upgrade(dialogue: Dialogue, target: bytes, *fields: bytes) -> Message:
    client = dialogue.send(
        b"GET %b HTTP/1.1" % target,
        *(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *fields,
    )
    return client.response()


STRANGE_ORIGINS = [
    *(b"http://evil", b"null", b"http://192.0.2.1", b"http://127.0.0.1:9999", b"%%%", b"http://["),
    *(b"http://localhost:8001.evil", b"chrome-extension://x", b"", b"\xff", b"http://", b"://"),
]


@pytest.mark.parametrize("origin", STRANGE_ORIGINS)
def test_page_of_another_site_gets_no_websocket(dialogue: Dialogue, origin: bytes) -> None:
    response = upgrade(dialogue, b"/_hpp/livereload", b"Origin: " + origin)
    assert response.status in (400, 403)


def test_page_of_the_site_gets_a_websocket(dialogue: Dialogue) -> None:
    origin = b"Origin: http://127.0.0.1:%d" % dialogue.proxy.port
    assert upgrade(dialogue, b"/_hpp/livereload", origin).status == 101
    assert upgrade(dialogue, b"/_hpp/livereload").status == 101


def test_other_host_gets_no_websocket(dialogue: Dialogue) -> None:
    for target in (b"/_hpp/livereload", b"/app/socket"):
        assert upgrade(dialogue, target, b"Host: evil.example").status == 403
    dialogue.assert_backend_saw_nothing()


def test_responses_have_no_cors_fields(dialogue: Dialogue) -> None:
    origin = b"Origin: http://evil.example"
    own = [dialogue.send(b"GET %b HTTP/1.1" % page, origin).response() for page in OUR_PAGES]
    preflight = b"Access-Control-Request-Method: POST"
    own.append(dialogue.send(b"OPTIONS /_hpp/status HTTP/1.1", origin, preflight).response())
    passed = dialogue.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for response in [*own, passed]:
        assert not [name for name, _ in response.headers if b"access-control" in name.lower()]


@pytest.mark.parametrize("page", [b"/_hpp/status", b"/_hpp/livereload.js"])
def test_embedding_of_admin_pages_by_another_site_gets_403(dialogue: Dialogue, page: bytes) -> None:
    fields = [b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors"]
    assert dialogue.send(b"GET %b HTTP/1.1" % page, *fields).response().status == 403


def test_all_listeners_are_on_loopback(dialogue: Dialogue) -> None:
    """No socket of the program or of its backend is open to the network."""
    pids = dialogue.proxy.left_over()
    inodes = {link[8:-1] for pid in pids for link in descriptors(pid) if link.startswith("socket:")}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].rpartition(":")[0])
    loopback = {"0100007F", "00000000000000000000000001000000"}
    assert listening
    assert set(listening) <= loopback


def test_target_with_another_address_reaches_the_own_backend_only(dialogue: Dialogue) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        seen = dialogue.seen(b"GET http://127.0.0.1:%d/ HTTP/1.1" % port)
        assert seen.target == b"/"
        client = dialogue.send(b"GET http://169.254.169.254/latest HTTP/1.1", b"Host: localhost")
        dialogue.backend.exchange()  # any IP address is accepted as a host
        assert client.response().status == 200
        dialogue.assert_refused(dialogue.head(b"CONNECT 127.0.0.1:%d HTTP/1.1" % port), 400, 405)
        foreign.settimeout(0)
        with pytest.raises(BlockingIOError):
            foreign.accept()


def test_foreign_authority_is_refused_as_a_host(dialogue: Dialogue) -> None:
    request = dialogue.head(b"GET http://evil.example/ HTTP/1.1", b"Host: localhost")
    dialogue.assert_refused(request, 403)


def test_allowed_hosts_are_accepted(project: Path) -> None:
    options = ["--allowed-host", "one.test", "--allowed-host", "*.two.test"]
    with Proxy(project, backend("echo.py"), *options) as proxy:
        proxy.running()
        for host in ("one.test", "a.two.test:80", "localhost"):
            assert proxy_get(proxy, host) == 200
        for host in ("two.test", "onetest.test", "one.test.evil", "xtwo.test"):
            assert proxy_get(proxy, host) == 403


def test_star_allows_every_host(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--allowed-host", "*") as proxy:
        proxy.running()
        assert proxy_get(proxy, "evil.example") == 200


def proxy_get(proxy: Proxy, host: str) -> int:
    with proxy.connect() as wire:
        wire.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return wire.response().status


def test_crash_page_escapes_the_output(project: Path) -> None:
    with Proxy(project, backend("crash.py")) as proxy:
        proxy.wait_state("error")
        response = proxy.get("/", Accept="text/html")
        assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in response.body
        assert b"<script>alert" not in response.body
        assert response.get(b"X-Content-Type-Options") == b"nosniff"
        assert response.get(b"Cache-Control") == b"no-store"


def test_program_survives_all_attacks_of_this_file(dialogue: Dialogue) -> None:
    """It comes after the tests above: the process and the backend are still the same."""
    status = dialogue.proxy.status()
    assert dialogue.proxy.process.poll() is None
    assert (status["state"], status["generation"]) == ("running", 1)


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
def test_crash_shows_output_and_command_to_trusted_clients_only(project: Path, accept: str) -> None:
    with Proxy(project, ["sh", "-c", "echo the-secret; exit 3"]) as proxy:
        proxy.wait_state("error")
        own = proxy.get("/", Accept=accept)
        strange = proxy.get("/", Accept=accept, X_Forwarded_For="203.0.113.7")
    assert (own.status, strange.status) == (503, 503)
    assert b"the-secret" in own.body
    assert b"the-secret" not in strange.body
    assert b"exit 3" not in strange.body
    assert b"The server has ended" in strange.body


def test_403_for_an_untrusted_client_promises_no_reload(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        answer = proxy.get("/_hpp/status", Accept="text/html", X_Forwarded_For="203.0.113.7")
    assert answer.status == 403
    assert b"reloads by itself" not in answer.body
    assert b"client.js" not in answer.body
