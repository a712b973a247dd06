"""Two services with the same number of generation: neither gets, or loses, the other's requests.

The gate leads to one service after the other, as it would for requests of two routes.
"""

import contextlib
from collections.abc import AsyncIterator

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.service.waiter import Target
from test.fakes import OK, Bench, Listener, Peer, get, serving
from test.loops import on_every_loop

WEB = GenerationId("web", 1)
API = GenerationId("api", 1)
UPGRADE = get("/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000


@contextlib.asynccontextmanager
async def serving_two() -> AsyncIterator[tuple[Bench, Listener]]:
    """A proxy with the service `web` at the bench's backend, and `api` at the listener."""
    async with serving(is_open=False) as bench:
        api = Listener()
        try:
            yield bench, api
        finally:
            api.close()


def lead_to(bench: Bench, service: GenerationId, backend: Listener) -> None:
    bench.gate.open(Target(service, "127.0.0.1", backend.port))


async def asked(bench: Bench, backend: Listener, request: bytes) -> tuple[Peer, Peer]:
    """A client, and the backend's connection that its request came on."""
    client = await bench.client(request)
    wire = await backend.accept()
    await wire.request()
    return client, wire


@on_every_loop
async def test_connection_kept_to_one_service_is_not_used_for_another() -> None:
    async with serving_two() as (bench, api):
        lead_to(bench, WEB, bench.backend)
        client, wire = await asked(bench, bench.backend, get("/of-web"))
        await wire.send(OK)
        assert (await client.response()).body == b"ok"
        lead_to(bench, API, api)
        other = await bench.client(get("/of-api"))
        await api.serve()
        assert (await other.response()).body == b"ok"
        await client.send(get("/of-api"))
        (_, request) = await api.serve()
        assert request.target == b"/of-api"
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_end_of_one_service_leaves_the_requests_of_another() -> None:
    async with serving_two() as (bench, api):
        lead_to(bench, API, api)
        waiting, wire = await asked(bench, api, get("/waiting"))
        downloading, download = await asked(bench, api, get("/large"))
        await download.send(PART)
        await downloading.until(b"x" * 100)
        tunnel, frames = await asked(bench, api, UPGRADE)
        await frames.send(SWITCH)
        assert (await tunnel.response()).status == 101

        bench.web.end_generation(WEB)

        await wire.send(OK)
        assert (await waiting.response()).body == b"ok"
        await download.send(b"y" * 100_000)
        await downloading.until(b"y" * 100)
        await frames.send(b"\x81\x05hello")
        assert await tunnel.exactly(7) == b"\x81\x05hello"


@on_every_loop
async def test_end_of_a_service_cuts_its_own_requests() -> None:
    async with serving_two() as (bench, api):
        lead_to(bench, API, api)
        downloading, download = await asked(bench, api, get("/large"))
        await download.send(PART)
        await downloading.until(b"x" * 100)
        tunnel, frames = await asked(bench, api, UPGRADE)
        await frames.send(SWITCH)
        assert (await tunnel.response()).status == 101

        bench.web.end_generation(API)

        assert await tunnel.exactly(4) == b"\x88\x02\x03\xf4"  # Close 1012 (RFC 6455 7.4)
        await download.rest()
