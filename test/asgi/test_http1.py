"""HTTP/1.1: the extensions of uvicorn's protocols, byte by byte."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from httpprocessproxy.asgi import http1 as tested
from test.asgi.applications import PIECE, Stage
from test.asgi.served import Served, served
from test.loops import on_every_loop
from test.tls import TlsWire
from test.wire import Message

T = TypeVar("T")

HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def _do(call: Callable[[], T]) -> T:
    return await asyncio.to_thread(call)


async def _refused(place: Served, wire: TlsWire, status: int) -> Message:
    """Read a response with this status, and check that the connection is closed after it."""
    message = await _do(wire.response)
    assert message.status == status
    assert message.get(b"Connection") == b"close"
    assert message.get(b"Alt-Svc") == b'h3=":%d"; ma=3600' % place.port
    assert message.get(b"Date")
    assert await _do(wire.ended)
    return message


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /\x80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x00\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 200_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 600_000, 431),
    ],
)
@on_every_loop
async def test_bad_request_is_refused_and_closed(
    request_: bytes, status: int, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(request_)
        await _refused(place, wire, status)
        assert (await place.ask("1.1")).status == 200


@on_every_loop
async def test_head_of_50_kb_is_accepted(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        fields = [(b"x-%d" % number, b"y" * 500) for number in range(100)]
        assert (await place.ask("1.1", "/", *fields)).status == 200


@on_every_loop
async def test_slow_head_gets_408_and_silent_connection_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "HEAD_TIMEOUT_S", 0.5)
    stage = Stage()
    async with served(stage, tmp_path) as place:
        idle = await place.http1()
        idle.send(GET)
        assert (await _do(idle.response)).status == 200
        busy = await place.http1()
        busy.send(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\n")
        silent, slow = await place.http1(), await place.http1()
        slow.send(b"GET / HTTP/1.1\r\n")
        await _refused(place, slow, 408)
        assert await _do(silent.ended)
        # The timeout applies neither to a request body nor to an idle kept-alive connection.
        idle.send(GET)
        assert (await _do(idle.response)).status == 200
        stage.go_on.set()
        busy.send(b"x")
        assert (await _do(busy.response)).status == 200


@on_every_loop
async def test_slow_head_after_pipelined_requests_gets_408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "HEAD_TIMEOUT_S", 0.1)
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(GET, GET)
        for _ in range(2):
            assert (await _do(wire.response)).status == 200
        wire.send(b"GET / HTTP/1.1\r\n")
        await _refused(place, wire, 408)


# Framing


@pytest.mark.parametrize(
    ("target", "version", "length", "coding"),
    [
        ("/hello", b"1.1", b"5", None),
        ("/hello", b"1.0", b"5", None),
        ("/download?2", b"1.1", None, b"chunked"),
        ("/download?2", b"1.0", None, None),
        ("/not-modified", b"1.1", None, None),
        ("/no-content", b"1.1", None, None),
        ("/no-content", b"1.0", None, None),
    ],
)
@on_every_loop
async def test_response_is_framed_for_the_version_and_status(
    target: str, version: bytes, length: bytes | None, coding: bytes | None, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(b"GET %b HTTP/%b\r\n" % (target.encode(), version) + HOST + b"\r\n")
        message = await _do(wire.response)
        assert message.get(b"Content-Length") == length
        assert message.get(b"Transfer-Encoding") == coding
        if target.startswith("/download"):
            assert message.body == PIECE * 2
        elif target == "/hello":
            assert message.body == b"Hello"
        if version == b"1.0":
            assert message.get(b"Connection") == b"close"
            assert await _do(wire.ended)
        else:
            wire.send(GET)
            assert (await _do(wire.response)).status == 200


@on_every_loop
async def test_head_has_the_length_of_get(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask("1.1", "/hello", method=b"HEAD")
        assert (reply.all(b"content-length"), reply.body) == ([b"5"], b"")


@on_every_loop
async def test_pipelined_responses_are_framed(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(GET.replace(b"/ ", b"/hello ", 1) * 3)
        for _ in range(3):
            message = await _do(wire.response)
            assert (message.get(b"Content-Length"), message.body) == (b"5", b"Hello")


@on_every_loop
async def test_http10_client_detects_a_truncated_body(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(b"GET /raise-after HTTP/1.0\r\n" + HOST + b"\r\n")
        assert (await _do(wire.response)).body == b"half"
        assert wire.was_cut


@on_every_loop
async def test_failure_between_start_and_body_gives_500(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(b"GET /raise-between HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await _do(wire.response)).status == 500
