"""Idle connections of streams, which the backend may close at any time (RFC 9112 9.3.1)."""

import pytest

from httpprocessproxy.proxy.idle_upstreams import MAX_POOLED
from test.fakes import OK
from test.frontends.stream_clients import asked, streaming
from test.loops import eventually, on_every_loop


@on_every_loop
async def test_safe_request_uses_an_idle_connection() -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        streams.get()
        assert (await peer.request()).method == b"GET"


@pytest.mark.parametrize(("method", "body"), [(b"POST", b""), (b"GET", b"x"), (b"DELETE", b"")])
@on_every_loop
async def test_request_that_may_not_be_repeatable_uses_a_new_connection(
    method: bytes, body: bytes
) -> None:
    async with streaming() as streams:
        await streams.pooled()
        client, _ = streams.begin(asked(method))
        if body:
            client.body(body)
        client.end()
        assert (await (await streams.backend.accept()).request()).method == method
        assert len(streams.pool) == 1


@pytest.mark.parametrize("way", ["close", "reset", "begin"])
@on_every_loop
async def test_request_is_sent_again_when_its_idle_connection_closes(way: str) -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        _, stream = streams.get()
        if way == "begin":
            await peer.request()
            await peer.send(b"HTTP/1.1 200")
        if way == "reset":
            peer.reset()
        else:
            peer.close()
        another, _ = await streams.backend.take()
        await another.send(OK)
        await eventually(lambda: stream.has_ended)
        assert (stream.status, stream.why) == (200, None)


@on_every_loop
async def test_request_is_sent_to_a_live_backend_that_closes_two_more_times() -> None:
    """A new connection that closes makes the backend suspect of a crash, once."""
    async with streaming() as streams:
        peer = await streams.pooled()
        _, stream = streams.get()
        peer.close()
        for _ in range(2):
            another, _ = await streams.backend.take()
            another.close()
        await eventually(lambda: stream.has_ended)
        assert (stream.status, stream.why) == (502, None)


@on_every_loop
async def test_request_gets_502_when_the_backend_does_not_listen() -> None:
    async with streaming() as streams:
        streams.backend.close()
        _, stream = streams.get()
        await eventually(lambda: stream.has_ended)
        assert stream.status == 502
        assert b"could not be reached" in stream.content


@on_every_loop
async def test_number_of_idle_connections_is_limited() -> None:
    async with streaming() as streams:
        requests = [streams.get()[1] for _ in range(MAX_POOLED + 5)]
        peers = [await streams.backend.accept() for _ in requests]
        for peer in peers:
            await peer.request()
            await peer.send(OK)
        await eventually(lambda: all(stream.has_ended for stream in requests))
        assert len(streams.pool) == MAX_POOLED
        upstreams = streams.bench.upstreams
        await eventually(lambda: len(upstreams) == MAX_POOLED)


@on_every_loop
async def test_connection_used_last_is_reused_first() -> None:
    async with streaming() as streams:
        requests = [streams.get()[1] for _ in range(3)]
        peers = [await streams.backend.accept() for _ in requests]
        for peer, stream in zip(peers, requests, strict=True):
            await peer.request()
            await peer.send(OK)
            await eventually(lambda: stream.has_ended)  # noqa: B023
        streams.get()
        assert (await peers[-1].request()).method == b"GET"


@on_every_loop
async def test_idle_connection_is_closed_after_its_timeout() -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        streams.pool.sweep(streams.bench.proxy_server.loop.time(), 3600)
        assert len(streams.pool) == 1
        streams.pool.sweep(streams.bench.proxy_server.loop.time() + 3601, 3600)
        assert len(streams.pool) == 0
        assert await peer.rest() == b""


@on_every_loop
async def test_connection_closed_by_the_backend_is_not_reused() -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        peer.close()
        await eventually(lambda: not streams.bench.upstreams)
        streams.get()
        await (await streams.backend.accept()).request()


@pytest.mark.parametrize("surplus", [b"x", OK])
@on_every_loop
async def test_data_without_a_request_closes_the_connection(surplus: bytes) -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        await peer.send(surplus)
        assert await peer.rest() == b""
        streams.get()
        await (await streams.backend.accept()).request()


@on_every_loop
async def test_idle_connection_of_another_generation_is_not_used() -> None:
    async with streaming() as streams:
        peer = await streams.pooled()
        streams.bench.restart()
        assert await peer.rest() == b""
        streams.get()
        await (await streams.backend.accept()).request()
        assert len(streams.pool) == 0


@on_every_loop
async def test_many_requests_at_once_are_answered() -> None:
    async with streaming() as streams:
        requests = [streams.get()[1] for _ in range(128)]
        for _ in requests:
            peer, _ = await streams.backend.take()
            await peer.send(OK)
        await eventually(lambda: all(stream.has_ended for stream in requests))
