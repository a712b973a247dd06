"""Idle connections of one client, and the pool of all streams."""

import pytest

from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.proxy.idle_upstreams import MAX_POOLED, IdleUpstream, UpstreamPool
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from test.fakes import Bench, serving
from test.loops import eventually, on_every_loop

GENERATION = GenerationId("web", 1)

either = pytest.mark.parametrize("idle_class", [IdleUpstream, UpstreamPool])


def request(method: bytes = b"GET", *lines: bytes) -> Request:
    reader = RequestReader(Peer(None, trusted=True), b"1.1 proxy")
    return reader.read(b"\r\n".join([method + b" / HTTP/1.1", b"Host: a", *lines, b"", b""]))


async def connected(
    bench: Bench, generation: GenerationId | None = GENERATION
) -> UpstreamConnection:
    """Return a new connection to the backend, which is idle since 1000 s."""
    responses = bench.web.connections.responses
    upstream = UpstreamConnection(responses, generation)
    loop = bench.proxy_server.loop
    await loop.create_connection(lambda: upstream, "127.0.0.1", bench.backend.port)
    responses.upstreams.add(upstream)
    upstream.idle_since = 1000
    return upstream


@either
@on_every_loop
async def test_safe_request_of_the_same_generation_takes_the_connection(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench)
        idle.put(upstream)
        assert idle.take(GENERATION, request()) is upstream
        assert idle.take(GENERATION, request()) is None
        upstream.close()


@either
@pytest.mark.parametrize(
    "refused",
    [
        request(b"POST"),
        request(b"DELETE"),
        request(b"GET", b"Content-Length: 1"),
        request(b"GET", b"Transfer-Encoding: chunked"),
    ],
    ids=lambda request: request.head.decode().partition(" ")[0],
)
@on_every_loop
async def test_request_that_may_not_be_repeatable_takes_no_connection(
    refused: Request, idle_class: type[IdleUpstream | UpstreamPool]
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench)
        idle.put(upstream)
        assert idle.take(GENERATION, refused) is None
        idle.drop()
        assert upstream.transport.is_closing()


@either
@on_every_loop
async def test_connection_of_another_generation_is_closed(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench)
        idle.put(upstream)
        assert idle.take(GenerationId("web", 2), request()) is None
        assert upstream.transport.is_closing()


@either
@on_every_loop
async def test_connection_to_each_service_is_kept(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, api = idle_class(), GenerationId("api", 1)
        of_web, of_api = await connected(bench), await connected(bench, api)
        idle.put(of_web)
        assert idle.take(api, request()) is None
        idle.put(of_api)
        for _ in range(2):
            assert idle.take(GENERATION, request()) is of_web
            idle.put(of_web)
            assert idle.take(api, request()) is of_api
            idle.put(of_api)
        idle.drop()
        assert of_web.transport.is_closing()
        assert of_api.transport.is_closing()


@either
@on_every_loop
async def test_connections_to_all_services_are_closed_after_their_idle_time(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, api = idle_class(), GenerationId("api", 1)
        of_web, of_api = await connected(bench), await connected(bench, api)
        idle.put(of_web)
        assert idle.take(api, request()) is None
        idle.put(of_api)
        of_api.idle_since = 1001
        idle.sweep(1004.5, 4)
        assert of_web.transport.is_closing()
        assert not of_api.transport.is_closing()
        idle.sweep(1005.5, 4)
        assert of_api.transport.is_closing()


@either
@on_every_loop
async def test_idle_connection_to_an_old_generation_of_another_service_is_closed(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, api = idle_class(), GenerationId("api", 1)
        upstream = await connected(bench)
        idle.put(upstream)
        assert idle.take(api, request()) is None
        assert idle.take(GenerationId("web", 2), request()) is None
        assert upstream.transport.is_closing()


@either
@on_every_loop
async def test_connection_to_the_admin_is_not_kept(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench, None)
        idle.put(upstream)
        assert upstream.transport.is_closing()
        assert idle.take(GENERATION, request()) is None


@either
@on_every_loop
async def test_connection_closed_by_the_backend_is_not_taken(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench)
        idle.put(upstream)
        (await bench.backend.accept()).close()
        await eventually(upstream.transport.is_closing)
        assert idle.take(GENERATION, request()) is None


@either
@on_every_loop
async def test_connection_is_closed_after_its_idle_time(
    idle_class: type[IdleUpstream | UpstreamPool],
) -> None:
    async with serving() as bench:
        idle, upstream = idle_class(), await connected(bench)
        idle.put(upstream)
        idle.sweep(1004, 4)
        assert not upstream.transport.is_closing()
        idle.sweep(1004.1, 4)
        assert upstream.transport.is_closing()
        assert idle.take(GENERATION, request()) is None


@on_every_loop
async def test_second_connection_of_a_client_replaces_the_first() -> None:
    async with serving() as bench:
        idle, first, second = IdleUpstream(), await connected(bench), await connected(bench)
        idle.put(first)
        idle.put(second)
        assert first.transport.is_closing()
        assert idle.take(GENERATION, request()) is second
        second.close()


@on_every_loop
async def test_pool_is_limited_and_returns_the_connection_used_last() -> None:
    async with serving() as bench:
        pool = UpstreamPool()
        upstreams = [await connected(bench) for _ in range(MAX_POOLED + 2)]
        for upstream in upstreams:
            pool.put(upstream)
        assert len(pool) == MAX_POOLED
        closed = [upstream for upstream in upstreams if upstream.transport.is_closing()]
        assert closed == upstreams[:2]
        assert pool.take(GENERATION, request()) is upstreams[-1]
        upstreams[-1].close()
        pool.drop()
        assert len(pool) == 0
        assert all(upstream.transport.is_closing() for upstream in upstreams)


@on_every_loop
async def test_sweep_keeps_the_order_and_drops_closed_connections() -> None:
    async with serving() as bench:
        pool = UpstreamPool()
        first, closed, last = [await connected(bench) for _ in range(3)]
        for upstream in (first, closed, last):
            pool.put(upstream)
        closed.close()
        pool.sweep(1001, 4)
        assert len(pool) == 2
        assert pool.take(GENERATION, request()) is last
        assert pool.take(GENERATION, request()) is first
        first.close()
        last.close()
