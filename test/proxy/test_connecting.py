"""Connections that are delayed by a full listen queue of the backend."""

import errno
import os

import pytest

from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.http.http1 import Fields, RequestHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.proxy import connecting
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interfaces import Downstream, Upstream
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from test.fakes import OK, Bench, Peer, get, post, serving
from test.loops import eventually, on_every_loop, turn
from test.proxy.exchanges import fill


async def connecting_client(bench: Bench, request: bytes) -> Peer:
    """Return a client whose request is admitted, and waits for room in the listen queue."""
    client = await bench.client(request)
    await eventually(lambda: bool(bench.proxy_server.context.clients))
    for _ in range(5):
        await turn()
    assert bench.gate.held == 0
    return client


async def make_room(bench: Bench, in_the_way: list[Peer]) -> None:
    for peer in in_the_way:
        peer.close()
        assert await (await bench.backend.accept()).rest() == b""


async def next_with_a_request(bench: Bench) -> Peer:
    """Return the next connection with data; cancelled attempts have none."""
    while not await (peer := await bench.backend.accept()).more():
        pass
    return peer


@on_every_loop
async def test_request_is_sent_when_the_listen_queue_has_room() -> None:
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
async def test_request_without_connection_is_sent_to_the_next_generation(request_: bytes) -> None:
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
async def test_request_of_a_client_that_left_is_not_sent(leave: str) -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await connecting_client(bench, post(b"body", "/left"))
        getattr(client, leave)()
        await eventually(lambda: not bench.proxy_server.context.clients)
        await make_room(bench, in_the_way)
        other = await bench.client(get("/canary"))
        wire = await next_with_a_request(bench)
        assert (await wire.request()).target == b"/canary"
        await wire.send(OK)
        assert (await other.response()).status == 200


@on_every_loop
async def test_request_without_connection_gets_504_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_S", 0.1)
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        client = await bench.client(get())
        assert (await client.response()).status == 504
        for peer in in_the_way:
            peer.close()


@on_every_loop
async def test_server_closes_without_waiting_for_a_connection() -> None:
    async with serving(backlog=0, retry_s=0.05) as bench:
        in_the_way = await fill(bench.backend)
        await connecting_client(bench, get())
        for peer in in_the_way:
            peer.close()


@on_every_loop
async def test_request_without_a_descriptor_for_its_connection_gets_503_and_is_reported(
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


class Saving:
    """An interceptor of all requests, which saves a file as soon as a request is sent."""

    def __init__(self) -> None:
        self.bench: Bench

    def takes(self, head: RequestHead) -> bool:
        return True

    def passing(self, fields: Fields) -> Fields:
        return fields

    def exchange(self, client: Downstream, context: ProxyContext, request: Request) -> Exchange:
        return SavingExchange(client, context, request, self.bench)


class SavingExchange(Exchange):
    """An exchange during which the generation ends in the iteration after its connection."""

    def __init__(
        self, client: Downstream, context: ProxyContext, request: Request, bench: Bench
    ) -> None:
        super().__init__(client, context, request)
        self.losses = 0
        self._bench = bench

    def connected(self, upstream: Upstream) -> None:
        super().connected(upstream)
        if self.record.sent == 1:
            # Before the callback that reports the end of the connecting task.
            self._context.loop.call_soon(self._bench.restart)

    def lost(self, loss: Loss) -> None:
        self.losses += 1
        assert self.losses == 1
        super().lost(loss)


@pytest.mark.parametrize(("request_", "status"), [(get(), 200), (post(b"body"), 502)])
@on_every_loop
async def test_generation_that_ends_just_after_a_connection_was_made_is_reported_once(
    request_: bytes, status: int
) -> None:
    saving = Saving()
    async with serving(interceptor=saving) as bench:
        saving.bench = bench
        client = await bench.client(request_)
        await bench.backend.accept()
        if status == 200:
            await bench.backend.serve()
        assert (await client.response()).status == status
        assert not client.unread
        assert bench.gate.held == 0
