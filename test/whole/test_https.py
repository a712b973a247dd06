"""HTTPS through the whole program: `--tls` serves the same as plain HTTP does."""

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from test.deadline import MS, PATIENCE_S, eventually
from test.harness import Proxy, backend
from test.https import HttpsProxy
from test.ports import free_port
from test.pressure import save_often, workers
from test.tls import TlsWire, make_pair, trusting
from test.wire import TruncatedError

SHOWN = ("--output", "/dev/null", "--write-out", "%{http_version} %{response_code}")


def curl(proxy: HttpsProxy, *arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--cacert", str(proxy.ca), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def https_connection(proxy: HttpsProxy) -> http.client.HTTPSConnection:
    context = proxy.context()
    return http.client.HTTPSConnection("localhost", proxy.port, timeout=PATIENCE_S, context=context)


def test_curl_trusts_the_certificate_in_every_version(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        url = f"https://localhost:{proxy.port}/"
        assert curl(proxy, *SHOWN, url) == "2 200"
        assert curl(proxy, *SHOWN, "--http1.1", url) == "1.1 200"
        assert curl(proxy, *SHOWN, "--no-alpn", url) == "1.1 200"
        assert curl(proxy, *SHOWN, "--tls-max", "1.2", url) == "2 200"
        assert curl(proxy, *SHOWN, proxy.url) == "2 200"
        # Every name below localhost has a certificate.
        assert curl(proxy, *SHOWN, f"https://app.localhost:{proxy.port}/") == "2 200"
        assert curl(proxy, *SHOWN, "--location", f"http://localhost:{proxy.port}/") == "2 200"
        proxy.wait_output(f"open        {proxy.url}/")
        assert "http://" not in proxy.output


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ((), 'h3=":PORT"; ma=3600'),
        (("--alt-svc-port", "443", "--alt-svc-ma", "60"), 'h3=":443"; ma=60'),
        (("--alt-svc-ma", "0"), "clear"),
    ],
)
def test_alt_svc_advertises_http_3(options: tuple[str, ...], value: str, project: Path) -> None:
    with HttpsProxy(project, backend("echo.py"), "--http3", *options) as proxy:
        proxy.running()
        wanted = value.replace("PORT", str(proxy.port))
        for version in ("--http1.1", "--http2"):
            head = curl(proxy, version, "--head", proxy.url).lower()
            assert f"\nalt-svc: {wanted}\n" in head
            assert head.count("alt-svc") == 1
        proxy.wait_output(f"--origin-to-force-quic-on=127.0.0.1:{proxy.port} ")


def test_backend_gets_the_scheme_https(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        fields = dict(json.loads(proxy.get("/").body)["headers"])
        assert fields["X-Forwarded-Proto"] == "https"
        assert fields["Forwarded"].endswith(";proto=https")


def test_no_get_is_lost_over_saves(project: Path) -> None:
    answers: Counter[int] = Counter()

    def get(number: int, done: threading.Event) -> None:
        with closing(https_connection(proxy)) as connection:
            while not (done.is_set() and answers.total() >= 500):
                connection.request("GET", "/version")
                response = connection.getresponse()
                response.read()
                answers[response.status] += 1
                if number % 2:
                    connection.close()

    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        with workers(4, get):
            save_often(proxy, 10)
    assert set(answers) == {200}


def test_no_post_is_lost_or_run_twice(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "data" / "once.log"
    log.parent.mkdir()
    ids = itertools.count()
    answered: set[int] = set()

    def post(_: int, done: threading.Event) -> None:
        with closing(https_connection(proxy)) as connection:
            while not done.is_set():
                order = next(ids)
                connection.request("POST", f"/once?id={order}&ms={order % 4 * 10}", body=b"x")
                response = connection.getresponse()
                assert response.status == 200, response.read()
                response.read()
                answered.add(order)

    with HttpsProxy(project, backend("echo.py", str(log.parent))) as proxy:
        proxy.running()
        with workers(4, post):
            save_often(proxy, 10)
        done = Counter(map(int, log.read_text().split()))
        assert set(done) == answered
        assert set(done.values()) == {1}


def test_download_cut_by_a_save_is_truncated_at_the_client(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        with proxy.connect() as wire:
            wire.send(b"GET /sse?ms=20 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wire.head()
            with proxy.restart():
                proxy.save("version", "2")
            assert isinstance(wire, TlsWire)
            with pytest.raises(TruncatedError):
                wire.until(b"\r\n0\r\n\r\n")
            assert wire.was_cut


def test_crash_is_served_as_a_page_until_a_save(project: Path) -> None:
    with HttpsProxy(project, backend("crash.py")) as proxy:
        proxy.wait_state("error")
        response = proxy.get("/", Accept="text/html")
        assert response.status == 503
        assert b"no such table" in response.body


def test_certificates_are_replaced_under_load(project: Path, tmp_path: Path) -> None:
    """Each request has a connection of its own; none fails, and each certificate is served."""
    certificate, key = make_pair(tmp_path / "pair")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    shown: Counter[bytes] = Counter()

    def get(_: int, done: threading.Event) -> None:
        context = trusting(None)
        while not done.is_set():
            with TlsWire.open(proxy.port, context) as wire:
                wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert wire.response().status == 200
                shown[wire.tls.getpeercert(binary_form=True) or b""] += 1

    with HttpsProxy(project, backend("small.py"), *options) as proxy, workers(3, get):
        for count in range(3):
            new = make_pair(tmp_path / "new")
            places = [*zip(new, (certificate, key), strict=True)]
            # Certificate and key are replaced in either order; for a moment only one is new.
            for source, place in places[:: (-1) ** count]:
                os.replace(source, place)
                seen = shown.total()
                eventually(lambda seen=seen: shown.total() > seen + 5)  # type: ignore[misc]
            wanted = ssl.PEM_cert_to_DER_cert(certificate.read_text())
            eventually(lambda wanted=wanted: shown[wanted])  # type: ignore[misc]
    assert len(shown) == 4
    assert "going on with" not in proxy.output


# WebSockets


class Socket:
    """A WebSocket over TLS that one thread reads and writes.

    The blocking client of websockets uses two, and OpenSSL's connections are not made for that.
    """

    def __init__(self, runner: asyncio.Runner, socket: ClientConnection) -> None:
        self._runner = runner
        self._socket = socket

    def send(self, message: str | bytes) -> None:
        self._runner.run(self._socket.send(message))

    def recv(self, within_s: float) -> str | bytes:
        async def receive() -> str | bytes:
            async with asyncio.timeout(within_s):
                return await self._socket.recv()

        return self._runner.run(receive())


@contextlib.contextmanager
def open_socket(proxy: HttpsProxy, path: str = "/", origin: str | None = None) -> Iterator[Socket]:
    async def opened() -> ClientConnection:
        return await connect(
            f"wss://localhost:{proxy.port}{path}",
            ssl=proxy.context(),
            origin=Origin(origin) if origin else None,
            proxy=None,
        )

    with asyncio.Runner() as runner:
        socket = runner.run(opened())
        yield Socket(runner, socket)
        runner.run(socket.close())


def test_websocket_works_over_tls(project: Path) -> None:
    with HttpsProxy(project, backend("websocket_echo.py")) as proxy:
        proxy.running()
        with open_socket(proxy) as socket:
            for message in ("hello", "x" * 1_000_000, b"\0" * 70_000):
                socket.send(message)
                assert socket.recv(PATIENCE_S) == message
            with proxy.restart():
                proxy.save("version", "2")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(PATIENCE_S)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012


def test_livereload_works_over_tls(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        origin = f"https://localhost:{proxy.port}"
        with open_socket(proxy, "/_hpp/livereload", origin) as socket:
            official = "http://livereload.com/protocols/official-7"
            hello = {"command": "hello", "protocols": [official], "ver": "4.0.2"}
            socket.send(json.dumps(hello))
            assert json.loads(socket.recv(PATIENCE_S))["command"] == "hello"
            with proxy.restart():
                proxy.save("version", "2")
            assert json.loads(socket.recv(PATIENCE_S))["command"] == "reload"
        with open_socket(proxy, "/_hpp/events", origin) as socket:
            socket.send(json.dumps({"type": "hello", "age_ms": 0}))
            assert json.loads(socket.recv(PATIENCE_S))["type"] == "hello"
        for stranger in ("https://evil.example", f"https://localhost:{free_port()}"):
            with (
                pytest.raises(InvalidStatus, match="403"),
                open_socket(proxy, "/_hpp/livereload", stranger),
            ):
                pass


# The API from a shell


@pytest.mark.parametrize("question", ["--status", "--restart", "--wait"])
def test_shell_queries_the_proxy_over_tls(question: str, project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        command = [*proxy.arguments[:4], question]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:19]) == (0, "running, generation")


# The end


def test_silent_connections_do_not_delay_the_end(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        with proxy.connect(), Proxy.connect(proxy) as silent:
            silent.send(b"\x16")
            assert proxy.stop(within_s=3000 * MS) == 143
