"""Streams of one connection for two services, over HTTP/2 and HTTP/3."""

from websockets.frames import Frame, Opcode

from httpprocessproxy.core.routes import Route
from httpprocessproxy.proxy import DestinationOptions
from test.fakes import OtherService
from test.frontends.http2_client import get, websocket
from test.frontends.test_websockets import accept_websocket
from test.frontends.versions import Version, every_version
from test.loops import on_every_loop

OTHERS = {"api": OtherService([Route.parse("/api")], DestinationOptions(strips=True))}


@every_version
@on_every_loop
async def test_streams_for_two_services_use_the_idle_connections_to_each(version: Version) -> None:
    async with version.client(others=OTHERS) as (client, bench):
        api = bench.backends["api"]
        of_web = await client.ask(get("/of-web"))
        of_api = await client.ask(get("/api/x?y"))
        web_wire, request = await bench.backend.serve()
        assert request.target == b"/of-web"
        api_wire, request = await api.serve()
        assert request.target == b"/x?y"
        for stream_id in (of_web, of_api):
            assert (await client.answer(stream_id)).body == b"ok"
        for wire, path, sent in ((api_wire, "/api/z", b"/z"), (web_wire, "/z", b"/z")):
            stream_id = await client.ask(get(path))
            assert (await wire.request()).target == sent
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert (await client.answer(stream_id)).status == 200


@every_version
@on_every_loop
async def test_websocket_goes_to_the_service_of_its_path(version: Version) -> None:
    async with version.client(others=OTHERS) as (client, bench):
        stream_id = await client.ask(websocket("/api/chat"), None)
        peer = await bench.backends["api"].accept()
        await accept_websocket(peer)
        assert (await client.head(stream_id)).status == 200
        sent = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
        await client.upload(stream_id, sent)
        assert await peer.exactly(len(sent)) == sent
        await client.upload(stream_id, b"", end=True)
        assert await peer.rest() == b""
        peer.close()
        await client.answer(stream_id)
