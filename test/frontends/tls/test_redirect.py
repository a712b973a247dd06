"""The redirect of plain HTTP on the TLS port to the same URL over HTTPS."""

import asyncio
from pathlib import Path

import pytest

from httpprocessproxy.frontends.tls import redirect
from test.frontends.tls_listeners import aside, opened
from test.loops import eventually, on_every_loop
from test.wire import Message


async def answered(folder: Path, request: bytes) -> Message:
    async with opened(folder) as doorway:
        wire = await doorway.plain(request.replace(b"PORT", b"%d" % doorway.port))
        response = await aside(lambda: wire.response(request.split(b" ")[0]))
        assert response.get(b"Connection") == b"close"
        assert response.get(b"Cache-Control") == b"no-store", "the next run may be without TLS"
        assert await aside(wire.ended)
        location = response.get(b"Location") or b""
        port = b":%d" % doorway.port
        response.headers.append((b"Place", location.replace(port, b":PORT")))
        return response


@on_every_loop
@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (
            b"GET /a?b=%20c HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n",
            b"https://localhost:PORT/a?b=%20c",
        ),
        (
            b"HEAD //x HTTP/1.1\r\nhost: app.localhost:PORT\r\n\r\n",
            b"https://app.localhost:PORT//x",
        ),
        (b"GET / HTTP/1.1\r\nHost: [::1]:PORT\r\n\r\n", b"https://[::1]:PORT/"),
        (b"GET / HTTP/1.1\r\nHost: localhost:9000\r\n\r\n", b"https://localhost:9000/"),
        # A Host without a port means port 80: the proxy's port is published as 80.
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"https://localhost:80/"),
        (b"GET / HTTP/1.1\r\nHost: localhost:\r\n\r\n", b"https://localhost:80/"),
        (b"GET / HTTP/1.0\r\n\r\n", b"https://127.0.0.1:PORT/"),
        (b"GET http://localhost:1/x HTTP/1.1\r\nHost: a\r\n\r\n", b"https://localhost:1/x"),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", b"https://localhost:PORT"),
        (b"POST /p HTTP/1.1\r\nHost: a:PORT\r\nContent-Length: 3\r\n\r\nabc", b"https://a:PORT/p"),
    ],
)
async def test_request_is_redirected_to_the_same_url_over_https(
    request_: bytes, place: bytes, tmp_path: Path
) -> None:
    response = await answered(tmp_path, request_)
    assert (response.status, response.get(b"Place")) == (308, place)


@on_every_loop
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 405),
        (b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 20_000), 414),
        (b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 70_000), 431),
    ],
)
async def test_bad_request_is_refused_without_a_location(
    request_: bytes, status: int, tmp_path: Path
) -> None:
    response = await answered(tmp_path, request_)
    assert (response.status, response.get(b"Place")) == (status, b"")


@on_every_loop
async def test_redirect_reaches_a_client_that_still_sends(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
        wire = await doorway.plain(head)
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(None, wire.send, bytes(9_000_000))
        assert (await aside(wire.response)).status == 308
        await sending


@on_every_loop
async def test_incomplete_head_is_closed_after_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirect, "HEAD_TIMEOUT_S", 0.05)
    async with opened(tmp_path) as doorway:
        wire = await doorway.plain(b"GET / HTTP/1.1\r\nHost: local")
        assert await aside(wire.rest) == b""


@on_every_loop
async def test_client_that_never_closes_is_closed_after_the_linger_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirect, "LINGER_S", 0.05)
    async with opened(tmp_path) as doorway:
        wire = await doorway.plain(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await aside(wire.response)
        await eventually(lambda: not doorway.door._redirects)
