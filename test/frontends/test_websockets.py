"""WebSockets over HTTP/2 (RFC 8441) and over HTTP/3 (RFC 9220), down to the backend."""

import base64
import hashlib

from websockets.frames import Frame, Opcode

from test.fakes import Bench, Peer
from test.frontends.http2_client import websocket
from test.frontends.versions import Client, Version, every_version
from test.loops import eventually, on_every_loop


async def accept_websocket(peer: Peer) -> None:
    request = await peer.request()
    assert request.get(b"Upgrade") == b"websocket"
    key = request.get(b"Sec-WebSocket-Key") or b""
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    await peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
    )


async def opened(client: Client, bench: Bench) -> tuple[int, Peer]:
    """Open a WebSocket; return the client's stream ID and the backend's connection."""
    stream_id = await client.ask(websocket(), None)
    peer = await bench.backend.accept()
    await accept_websocket(peer)
    await client.head(stream_id)
    return stream_id, peer


@every_version
@on_every_loop
async def test_websocket_passes_messages_in_both_directions(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(websocket("/chat"), None)
        peer = await bench.backend.accept()
        await accept_websocket(peer)
        answer = await client.head(stream_id)
        assert answer.status == 200
        assert not answer.all(b"upgrade") + answer.all(b"sec-websocket-accept")
        sent = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
        await client.upload(stream_id, sent)
        assert await peer.exactly(len(sent)) == sent
        received = Frame(Opcode.TEXT, b"world").serialize(mask=False)
        await peer.send(received)
        assert await client.body(stream_id, len(received)) == received
        # other requests on the same connection
        other = await client.ask()
        await bench.backend.serve()
        assert (await client.answer(other)).status == 200
        await client.upload(stream_id, b"", end=True)
        assert await peer.rest() == b""
        peer.close()
        await client.answer(stream_id)


@every_version
@on_every_loop
async def test_websocket_gets_close_1012_when_the_backend_restarts(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id, _ = await opened(client, bench)
        bench.restart()
        close = Frame(Opcode.CLOSE, (1012).to_bytes(2, "big")).serialize(mask=False)
        assert await client.body(stream_id, len(close)) == close
        # A client answers Close, and leaves the end of the connection to the server.
        await client.upload(stream_id, Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=True))
        await client.answer(stream_id)


@every_version
@on_every_loop
async def test_reset_of_a_websocket_closes_its_tunnel(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id, peer = await opened(client, bench)
        await client.cancel(stream_id)
        assert await peer.rest() == b""
        peer.close()
        await eventually(lambda: not bench.proxy_server.context.tunnels)


@every_version
@on_every_loop
async def test_websocket_refused_by_the_backend_gets_its_response(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(websocket(), None)
        await bench.backend.serve(b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno")
        answer = await client.answer(stream_id)
        assert (answer.status, bytes(answer.body)) == (403, b"no")
