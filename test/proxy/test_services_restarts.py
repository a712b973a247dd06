"""One service is restarted many times while another serves streams, and the uses of a service."""

from test.fakes import OK, Bench, Listener, Peer, get
from test.loops import eventually, on_every_loop
from test.proxy.test_services import PART, SWITCH, UPGRADE, asked, serving_two

RESTARTS = 200
EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def opened(bench: Bench, api: Listener, path: str, answer: bytes) -> tuple[Peer, Peer]:
    """A client of the other service, which has begun to answer."""
    fields = UPGRADE if answer is SWITCH else ()
    client, wire = await asked(bench, api, get(path, *fields))
    await wire.send(answer)
    await client.head()
    return client, wire


def is_used(bench: Bench, service: str) -> bool:
    return bench.proxy_server.destinations[service].is_used


@on_every_loop
async def test_200_restarts_of_one_service_cut_no_stream_of_another() -> None:
    async with serving_two() as (bench, api):
        download, sending = await opened(bench, api, "/api/large", PART)
        events, stream = await opened(bench, api, "/api/events", EVENT_STREAM)
        socket, frames = await opened(bench, api, "/api/socket", SWITCH)
        await download.exactly(100_000)
        for number in range(RESTARTS):
            bench.stop()
            held = await bench.client(get("/of-web"))
            await bench.held(1)
            await sending.send(b"y" * 500)
            await stream.send(b"data: %03d\n\n" % number)
            await frames.send(b"\x81\x03%03d" % number)
            bench.start()
            await bench.backend.serve()
            assert (await held.response()).body == b"ok"
            held.close()
            assert await download.exactly(500) == b"y" * 500
            await events.until(b"data: %03d\n\n" % number)
            assert await socket.exactly(5) == b"\x81\x03%03d" % number


@on_every_loop
async def test_service_is_used_while_a_response_is_open() -> None:
    async with serving_two() as (bench, api):
        assert not is_used(bench, "api")
        client, wire = await asked(bench, api, get("/api/x"))
        assert is_used(bench, "api")
        assert not is_used(bench, "web")
        await wire.send(OK)
        await client.response()
        await eventually(lambda: not is_used(bench, "api"))
        stream, _ = await opened(bench, api, "/api/events", EVENT_STREAM)
        assert is_used(bench, "api")
        stream.close()
        await eventually(lambda: not is_used(bench, "api"))


@on_every_loop
async def test_service_is_used_while_a_websocket_is_open() -> None:
    async with serving_two() as (bench, api):
        socket, frames = await opened(bench, api, "/api/socket", SWITCH)
        assert is_used(bench, "api")
        assert not is_used(bench, "web")
        socket.close()
        frames.close()
        await eventually(lambda: not is_used(bench, "api"))


@on_every_loop
async def test_service_is_used_while_a_connection_is_made() -> None:
    async with serving_two() as (bench, api):
        of_api = bench.proxy_server.destinations["api"]
        target = of_api.gate.target
        assert target is not None
        of_api.gate.hold()
        client = await bench.client(get("/api/x"))
        await eventually(lambda: of_api.gate.held == 1)
        assert not is_used(bench, "api")
        of_api.gate.open(target)
        assert is_used(bench, "api"), "the gate has admitted the request"
        await api.serve()
        await client.response()
        await eventually(lambda: not is_used(bench, "api"))
