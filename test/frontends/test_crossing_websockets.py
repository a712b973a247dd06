"""WebSockets over the bridge (RFC 8441 section 5)."""

import base64
import hashlib

from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.cores import asked, playing_core
from test.loops import eventually, on_every_loop

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def switching(key: bytes | None) -> bytes:
    digest = hashlib.sha1((key or b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        % base64.b64encode(digest)
    )


@on_every_loop
async def test_websocket_passes_data_in_both_directions() -> None:
    async with playing_core() as core:
        version = (b"sec-websocket-version", b"13")
        crossing, stream = core.begin(asked(b"CONNECT", [version], protocol=b"websocket"))
        crossing.body(b"early")
        peer, request = await core.take()
        assert (request.method, request.get(b"Upgrade")) == (b"GET", b"websocket")
        assert request.get(b"Sec-WebSocket-Version") == b"13"
        assert request.get(b"Transfer-Encoding") is None
        assert stream.consumed_bytes == 0
        await peer.send(switching(request.get(b"Sec-WebSocket-Key")), b"first")
        await eventually(lambda: bytes(stream.content) == b"first")
        assert (stream.status, stream.fields) == (200, [(b"sec-websocket-protocol", b"chat")])
        assert await peer.exactly(5) == b"early"
        crossing.body(b"ping")
        assert await peer.exactly(4) == b"ping"
        assert stream.consumed_bytes == 9
        await peer.send(b"pong")
        await eventually(lambda: bytes(stream.content) == b"firstpong")
        crossing.end()
        assert await peer.rest() == b""
        await peer.send(b"bye")
        peer.close()
        await eventually(lambda: stream.has_ended)
        assert bytes(stream.content) == b"firstpongbye"


@on_every_loop
async def test_websocket_half_closed_by_the_core_still_passes_data_to_it() -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"CONNECT", protocol=b"websocket"))
        peer, request = await core.take()
        await peer.send(switching(request.get(b"Sec-WebSocket-Key")))
        peer.finish()
        await eventually(lambda: stream.has_ended)
        crossing.body(b"last words")
        assert await peer.exactly(10) == b"last words"
        crossing.end()
        assert await peer.rest() == b""


@on_every_loop
async def test_refused_websocket_gets_the_response_of_the_core() -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"CONNECT", protocol=b"websocket"))
        peer, _ = await core.take()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (403, b"no")
        crossing.end()


@on_every_loop
async def test_wrong_accept_field_resets_the_stream() -> None:
    """RFC 6455 section 4.1: the bridge checks it, as the client has no key."""
    async with playing_core() as core:
        _, stream = core.begin(asked(b"CONNECT", protocol=b"websocket"))
        peer, _ = await core.take()
        await peer.send(switching(b"another"))
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
        assert await peer.rest() == b""
