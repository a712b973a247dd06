"""Connections that take their time, because the backend's listen queue is full."""

import errno
import os

import pytest

from httpprocessproxy.proxy import connecting
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from test.fakes import OK, Bench, Peer, get, post, serving
from test.loops import eventually, on_every_loop, turn
from test.proxy.exchanges import fill


async def connecting_client(bench: Bench, request: bytes) -> Peer:
    """A client whose request has been admitted, and finds no room at the backend."""
    client = await bench.client(request)
    await eventually(lambda: bool(bench.proxy_server.clients))
    for _ in range(5):
        await turn()
    assert bench.gate.held == 0
    return client


async def make_room(bench: Bench, in_the_way: list[Peer]) -> None:
    for peer in in_the_way:
        peer.close()
        assert await (await bench.backend.accept()).rest() == b""


async def next_with_a_request(bench: Bench) -> Peer:
    """The next connection on which anything comes: some may have been given up."""
    while not await (peer := await bench.backend.accept()).more():
        pass
    return peer


@on_every_loop
async def test_it_finds_room_as_soon_as_there_is_some() -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await connecting_client(bench, get("/waits"))
        await make_room(bench, in_the_way)
        wire = await next_with_a_request(bench)
        assert (await wire.request()).target == b"/waits"
        await wire.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("request_", [get("/again"), post(b"body", "/again")])
@on_every_loop
async def test_a_restart_gives_it_to_the_next_backend(request_: bytes) -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await connecting_client(bench, request_)
        bench.stop()
        await bench.held(1)
        await make_room(bench, in_the_way)
        bench.start()
        wire = await next_with_a_request(bench)
        assert (await wire.request()).target == b"/again"
        await wire.send(OK)
        assert (await client.response()).status == 200


@pytest.mark.parametrize("leave", ["close", "reset"])
@on_every_loop
async def test_a_client_that_leaves_never_reaches_the_backend(leave: str) -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await connecting_client(bench, post(b"body", "/left"))
        getattr(client, leave)()
        await eventually(lambda: not bench.proxy_server.clients)
        await make_room(bench, in_the_way)
        other = await bench.client(get("/canary"))
        wire = await next_with_a_request(bench)
        assert (await wire.request()).target == b"/canary"
        await wire.send(OK)
        assert (await other.response()).status == 200


@on_every_loop
async def test_it_is_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_S", 0.1)
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await bench.client(get())
        assert (await client.response()).status == 504
        for peer in in_the_way:
            peer.close()


@on_every_loop
async def test_leaving_does_not_wait_for_it() -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        await connecting_client(bench, get())
        for peer in in_the_way:
            peer.close()


@on_every_loop
async def test_request_without_a_descriptor_for_its_connection_gets_503_and_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def out_of_descriptors(*_: object) -> UpstreamConnection:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(connecting.Connector, "_connect", out_of_descriptors)
    async with serving() as bench:
        client = await bench.client(get())
        response = await client.response()
        assert response.status == 503
        assert b"Out of file descriptors" in response.body
        (line,) = bench.said
        assert "ulimit -n" in line
