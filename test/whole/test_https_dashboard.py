"""The dashboard under TLS: its host and its own port, in every version of HTTP."""

import asyncio
import json
import re
import ssl
import subprocess
from pathlib import Path

import pytest
import uvloop
from cryptography.x509 import DNSName, SubjectAlternativeName
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from test.deadline import PATIENCE_S
from test.frontends.http2_client import Fields
from test.frontends.http3_client import configuration, connected
from test.harness import backend
from test.https import ELSEWHERE, ElsewhereProxy, HttpsProxy
from test.loops import run
from test.tls import TlsWire, make_pair, trusting

# A browser sends these fields with each fetch of a page.
OF_ITS_PAGE = ("--header", "Sec-Fetch-Site: same-origin", "--header", "Sec-Fetch-Mode: cors")

every_tcp_version = pytest.mark.parametrize("version", ["--http1.1", "--http2"])


def curl(proxy: HttpsProxy, *arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--cacert", str(proxy.ca), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def token_in(page: str) -> str:
    found = re.search('hpp-token" content="([^"]+)"', page)
    assert found, page
    return found[1]


def location(proxy: HttpsProxy, *arguments: str) -> str:
    """The Location of a 302."""
    shown = ("--output", "/dev/null", "--write-out", "%{response_code} %{redirect_url}")
    status, _, url = curl(proxy, *shown, *arguments).partition(" ")
    assert status == "302"
    return url


def status_of_restart(proxy: HttpsProxy, url: str, *arguments: str) -> str:
    shown = ("--output", "/dev/null", "--write-out", "%{response_code}")
    return curl(proxy, *shown, "--request", "POST", *arguments, f"{url}_hpp/restart")


# At the dashboard's host


@every_tcp_version
def test_page_and_token_come_from_the_dashboard_host(version: str, project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        url = proxy.dashboard_url
        assert url == f"https://hpp.localhost:{proxy.port}/"
        page = curl(proxy, version, url)
        assert f"https://localhost:{proxy.port}/" in page
        page_fields = (version, *OF_ITS_PAGE, "--header", f"Origin: {url.rstrip('/')}")
        token = ("--header", f"X-HPP-Token: {token_in(page)}")
        before = proxy.status()["generation"]
        assert status_of_restart(proxy, url, *page_fields) == "403"
        assert status_of_restart(proxy, url, *page_fields, "--cookie", "a=b") == "403"
        assert status_of_restart(proxy, proxy.url + "/", *page_fields, *token) == "403"
        assert proxy.status()["generation"] == before
        assert status_of_restart(proxy, url, *page_fields, *token) == "202"
        proxy.wait_state("running", after=before)


def test_dashboard_sets_no_cookie(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        for version in ("--http1.1", "--http2"):
            head = curl(proxy, version, "--head", proxy.dashboard_url).lower()
            assert "\nset-cookie" not in head
            assert "\ncache-control: no-store" in head


@every_tcp_version
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "app.localhost"])
def test_path_on_the_site_redirects_to_the_dashboard_host(
    host: str, version: str, project: Path
) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        url = f"https://{host}:{proxy.port}/_hpp/"
        assert location(proxy, version, url) == proxy.dashboard_url


def fields_of(host: str, path: str, port: int, method: bytes = b"GET") -> Fields:
    return [
        *((b":method", method), (b":scheme", b"https")),
        *((b":authority", f"{host}:{port}".encode()), (b":path", path.encode())),
    ]


def test_dashboard_host_answers_over_http3(project: Path) -> None:
    async def ask() -> None:
        config = configuration(None)
        config.server_name = "hpp.localhost"
        async with connected(port, config) as client:
            certificate = client.quic.tls._peer_certificate
            assert certificate is not None
            names = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
            assert "hpp.localhost" in names.value.get_values_for_type(DNSName)
            page = await client.fetch(fields_of("hpp.localhost", "/", port))
            assert page.status == 200
            token = token_in(page.body.decode()).encode()
            restart = [
                *fields_of("hpp.localhost", "/_hpp/restart", port, b"POST"),
                (b"origin", b"https://hpp.localhost:%d" % port),
                (b"sec-fetch-site", b"same-origin"),
                (b"sec-fetch-mode", b"cors"),
            ]
            assert (await client.fetch(restart)).status == 403
            assert (await client.fetch([*restart, (b"x-hpp-token", token)])).status == 202
            led = await client.fetch(fields_of("localhost", "/_hpp/", port))
            assert led.status == 302
            assert led.all(b"location") == [b"https://hpp.localhost:%d/" % port]

    with HttpsProxy(project, backend("echo.py"), "--http3") as proxy:
        proxy.running()
        port = proxy.port
        run(ask(), uvloop.new_event_loop)


# At the dashboard's own port


@every_tcp_version
def test_own_port_has_a_certificate_for_the_address_of_the_site(
    version: str, project: Path
) -> None:
    with ElsewhereProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        url = f"https://{ELSEWHERE}:{proxy.dashboard_port}/"
        assert location(proxy, version, f"{proxy.url}/_hpp/") == url
        page = curl(proxy, version, url)
        assert f"{proxy.url}/" in page
        origin = ("--header", f"Origin: {url.rstrip('/')}", *OF_ITS_PAGE)
        token = ("--header", f"X-HPP-Token: {token_in(page)}")
        assert status_of_restart(proxy, url, version, *origin) == "403"
        assert status_of_restart(proxy, url, version, *origin, *token) == "202"
        head = curl(proxy, version, "--head", url).lower()
        assert "\nalt-svc" not in head
        proxy.wait_output(f"dashboard +{url}\n")


@every_tcp_version
def test_own_port_has_a_certificate_for_a_name_that_is_allowed(version: str, project: Path) -> None:
    with HttpsProxy(project, backend("echo.py"), "--allowed-host", "shop.test") as proxy:
        proxy.running()
        resolved = [
            part
            for port in (proxy.port, proxy.dashboard_port)
            for part in ("--resolve", f"shop.test:{port}:127.0.0.1")
        ]
        url = f"https://shop.test:{proxy.dashboard_port}/"
        site = f"https://shop.test:{proxy.port}/"
        assert location(proxy, version, *resolved, f"{site}_hpp/") == url
        assert site in curl(proxy, version, *resolved, url)


def test_plain_http_at_the_own_port_redirects_to_https(project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        place = f"127.0.0.1:{proxy.dashboard_port}/"
        shown = ("--output", "/dev/null", "--write-out", "%{response_code} %{redirect_url}")
        assert curl(proxy, *shown, f"http://{place}") == f"308 https://{place}"


def test_certificate_without_the_dashboard_host_redirects_to_the_own_port(
    project: Path, tmp_path: Path
) -> None:
    certificate, key = make_pair(tmp_path / "pair")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with HttpsProxy(project, backend("echo.py"), *options) as proxy:
        proxy.wait_output("started in")
        url = f"https://localhost:{proxy.dashboard_port}/"
        proxy.wait_output(rf"dashboard +https://127.0.0.1:{proxy.dashboard_port}/\n")
        assert "hpp.localhost" not in proxy.output
        with TlsWire.open(proxy.port, trusting(None)) as wire:
            wire.send(b"GET /_hpp/ HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % proxy.port)
            assert wire.response().get(b"Location") == url.encode()
        with TlsWire.open(proxy.dashboard_port, trusting(None)) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % proxy.dashboard_port)
            assert b"hpp-token" in wire.response().body
            shown_certificate = wire.tls.getpeercert(binary_form=True)
        assert shown_certificate == ssl.PEM_cert_to_DER_cert(certificate.read_text())


@pytest.mark.parametrize("by", ["host", "port"])
def test_dashboard_gets_events_over_tls(by: str, project: Path) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        host = "hpp.localhost" if by == "host" else "localhost"
        port = proxy.port if by == "host" else proxy.dashboard_port
        place, site = f"{host}:{port}", f"https://localhost:{proxy.port}"
        context = proxy.context()

        # One thread reads and writes: the blocking client of websockets uses two, and OpenSSL's
        # connections are not made for that.
        async def first_event(origin: str) -> object:
            async with connect(
                f"wss://{place}/_hpp/events",
                ssl=context,
                origin=Origin(origin),
                host="127.0.0.1",
                port=port,
                proxy=None,
            ) as socket:
                await socket.send(json.dumps({"type": "hello", "age_ms": 0}))
                async with asyncio.timeout(PATIENCE_S):
                    return json.loads(await socket.recv())["type"]

        assert asyncio.run(first_event(f"https://{place}")) == "hello"
        with pytest.raises(InvalidStatus, match="403"):
            asyncio.run(first_event(site))
