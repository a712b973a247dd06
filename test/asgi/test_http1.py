"""HTTP/1.1: what uvicorn's protocols lack, byte by byte."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from httpprocessproxy.asgi import http1 as tested
from test.asgi.applications import Stage
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
    """It is answered with this, and closed."""
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
async def test_what_is_refused(request_: bytes, status: int, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(request_)
        await _refused(place, wire, status)
        assert (await place.ask("1.1")).status == 200


@on_every_loop
async def test_a_head_may_be_large(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        fields = [(b"x-%d" % number, b"y" * 500) for number in range(100)]
        assert (await place.ask("1.1", "/", *fields)).status == 200


@on_every_loop
async def test_a_head_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        # A request under way has all the time it needs, and so has a client between two.
        idle.send(GET)
        assert (await _do(idle.response)).status == 200
        stage.go_on.set()
        busy.send(b"x")
        assert (await _do(busy.response)).status == 200


@on_every_loop
async def test_a_second_head_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "HEAD_TIMEOUT_S", 0.1)
    async with served(Stage(), tmp_path) as place:
        wire = await place.http1()
        wire.send(GET, GET)
        for _ in range(2):
            assert (await _do(wire.response)).status == 200
        wire.send(b"GET / HTTP/1.1\r\n")
        await _refused(place, wire, 408)
