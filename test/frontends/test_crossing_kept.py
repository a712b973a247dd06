"""Requests on kept connections, which the core may close at any time (RFC 9112 9.3.1)."""

import pytest

from httpprocessproxy.frontends.streams import StreamReset
from test.fakes import OK
from test.frontends.cores import asked, playing_core
from test.loops import eventually, on_every_loop

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@on_every_loop
async def test_safe_request_uses_a_kept_connection() -> None:
    async with playing_core() as core:
        peer = await core.kept()
        core.get()
        assert (await peer.request()).method == b"GET"


@pytest.mark.parametrize(("method", "body"), [(b"POST", b""), (b"GET", b"x"), (b"DELETE", b"")])
@on_every_loop
async def test_request_that_cannot_be_retried_uses_a_new_connection(
    method: bytes, body: bytes
) -> None:
    async with playing_core() as core:
        await core.kept()
        crossing, _ = core.begin(asked(method))
        if body:
            crossing.body(body)
        crossing.end()
        assert (await (await core.accept()).request()).method == method


@pytest.mark.parametrize("way", ["close", "reset", "begin"])
@on_every_loop
async def test_request_is_retried_when_its_kept_connection_closes(way: str) -> None:
    async with playing_core() as core:
        peer = await core.kept()
        _, stream = core.get()
        if way == "begin":
            await peer.request()
            await peer.send(b"HTTP/1.1 200")
        if way == "reset":
            peer.reset()
        else:
            peer.close()
        another, _ = await core.take()
        await another.send(OK)
        await eventually(lambda: stream.has_ended)
        assert stream.why is None


@on_every_loop
async def test_request_is_retried_only_once() -> None:
    async with playing_core() as core:
        peer = await core.kept()
        _, stream = core.get()
        peer.close()
        another, _ = await core.take()
        another.close()
        await eventually(lambda: stream.why is StreamReset.INTERNAL)


@on_every_loop
async def test_request_is_refused_when_the_core_does_not_listen() -> None:
    async with playing_core() as core:
        core.close()
        _, stream = core.get()
        await eventually(lambda: stream.why is StreamReset.REFUSED)
