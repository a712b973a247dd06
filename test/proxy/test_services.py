"""Two services behind one data plane: neither gets, or loses, the other's requests.

Their generations have the same number.
"""

import contextlib
from collections.abc import AsyncIterator

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.routes import Route
from test.fakes import OK, Bench, Listener, OtherService, Peer, get, post, serving
from test.loops import on_every_loop, turn

WEB = GenerationId("web", 1)
API = GenerationId("api", 1)
UPGRADE = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000


@contextlib.asynccontextmanager
async def serving_two() -> AsyncIterator[tuple[Bench, Listener]]:
    """A proxy with the service `web` at the bench's backend, and `api` at the listener."""
    async with serving(others={"api": OtherService([Route.parse("/api/**")])}) as bench:
        yield bench, bench.backends["api"]


async def asked(bench: Bench, backend: Listener, request: bytes) -> tuple[Peer, Peer]:
    """A client, and the backend's connection that its request came on."""
    client = await bench.client(request)
    wire = await backend.accept()
    await wire.request()
    return client, wire


@on_every_loop
async def test_connection_of_a_client_keeps_one_connection_to_each_service() -> None:
    async with serving_two() as (bench, api):
        client, of_web = await asked(bench, bench.backend, get("/of-web"))
        await of_web.send(OK)
        await client.response()
        await client.send(get("/api/first"))
        of_api, request = await api.serve()
        assert request.target == b"/api/first"
        await client.response()
        for wire, path in ((of_web, "/again"), (of_api, "/api/again"), (of_web, "/at-last")):
            assert (await bench.exchange(client, wire, get(path))).body == b"ok"


@on_every_loop
async def test_pipelined_requests_for_two_services_are_answered_in_order() -> None:
    async with serving_two() as (bench, api):
        client = await bench.client(get("/api/1"), get("/2"), post(b"x", "/api/3"), get("/4"))
        for number, backend in enumerate((api, bench.backend, api), 1):
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number
            wire, request = await backend.serve(answer)
            assert request.target.endswith(b"/%d" % number)
            assert (await client.response()).body == b"%d" % number
        # The connection for the second request is idle, and serves the fourth.
        (wire,) = bench.backend._peers
        assert (await wire.request()).target == b"/4"
        await wire.send(OK)
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_restart_of_one_service_holds_its_own_requests_alone() -> None:
    async with serving_two() as (bench, api):
        bench.stop()
        held = await bench.client(get("/of-web"))
        await bench.held(1)
        client = await bench.client(get("/api/x"))
        await api.serve()
        assert (await client.response()).body == b"ok"
        bench.start()
        await bench.backend.serve()
        assert (await held.response()).body == b"ok"


@on_every_loop
async def test_connection_of_a_client_persists_through_the_restart_of_another_service() -> None:
    async with serving_two() as (bench, api):
        client, wire = await asked(bench, api, get("/api/x"))
        await wire.send(OK)
        await client.response()
        bench.restart()
        answer = await bench.exchange(client, wire, get("/api/y"))
        assert (answer.body, answer.get(b"Connection")) == (b"ok", None)


@on_every_loop
async def test_end_of_one_service_leaves_the_requests_of_another() -> None:
    async with serving_two() as (bench, api):
        waiting, wire = await asked(bench, api, get("/api/waiting"))
        downloading, download = await asked(bench, api, get("/api/large"))
        await download.send(PART)
        await downloading.until(b"x" * 100)
        tunnel, frames = await asked(bench, api, get("/api/socket", *UPGRADE))
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
        downloading, download = await asked(bench, api, get("/api/large"))
        await download.send(PART)
        await downloading.until(b"x" * 100)
        tunnel, frames = await asked(bench, api, get("/api/socket", *UPGRADE))
        await frames.send(SWITCH)
        assert (await tunnel.response()).status == 101

        bench.proxy_server.destinations["api"].end_generation(API)

        assert await tunnel.exactly(4) == b"\x88\x02\x03\xf4"  # Close 1012 (RFC 6455 7.4)
        await download.rest()


@on_every_loop
async def test_replay_goes_to_the_service_of_the_recorded_request() -> None:
    async with serving_two() as (bench, api):
        client, wire = await asked(bench, api, post(b"x", "/api/x"))
        await wire.send(OK)
        await client.response()
        (record,) = bench.proxy_server.context.log
        again = bench.proxy_server.replay(record)
        _, request = await api.serve()
        assert (request.target, request.body) == (b"/api/x", b"x")
        while not again.ended_at:
            await turn()
        assert [row.row().service for row in bench.proxy_server.context.log] == ["api", "api"]
