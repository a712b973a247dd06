"""WebSockets on streams (RFC 8441 section 5): the stream as the transport of a tunnel."""

import base64
import hashlib

from websockets.frames import Frame, Opcode

from httpprocessproxy.frontends.stream_client import StreamClient
from httpprocessproxy.frontends.streams import StreamReset
from test.fakes import Peer
from test.frontends.ends import RecordingStream
from test.frontends.stream_clients import Streams, asked, streaming
from test.loops import eventually, on_every_loop, turn

WEBSOCKET = asked(b"CONNECT", [(b"sec-websocket-version", b"13")], protocol=b"websocket")
CLOSE_1012 = Frame(Opcode.CLOSE, (1012).to_bytes(2, "big")).serialize(mask=False)


def switching(key: bytes | None) -> bytes:
    digest = hashlib.sha1((key or b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        % base64.b64encode(digest)
    )


async def opened(streams: Streams) -> tuple[StreamClient, RecordingStream, Peer]:
    """Open a WebSocket; return its two ends and the backend's connection."""
    client, stream = streams.begin(WEBSOCKET)
    peer, request = await streams.backend.take()
    await peer.send(switching(request.get(b"Sec-WebSocket-Key")))
    await eventually(lambda: stream.status == 200)
    return client, stream, peer


@on_every_loop
async def test_websocket_passes_data_in_both_directions() -> None:
    async with streaming(trusted=()) as streams:
        client, stream = streams.begin(WEBSOCKET)
        client.body(b"early")
        peer, request = await streams.backend.take()
        assert (request.method, request.get(b"Upgrade")) == (b"GET", b"websocket")
        assert request.get(b"Sec-WebSocket-Version") == b"13"
        assert request.get(b"Transfer-Encoding") is None
        assert stream.consumed_bytes == 0
        await peer.send(switching(request.get(b"Sec-WebSocket-Key")), b"first")
        await eventually(lambda: bytes(stream.content) == b"first")
        assert (stream.status, stream.fields) == (200, [(b"sec-websocket-protocol", b"chat")])
        assert await peer.exactly(5) == b"early"
        client.body(b"ping")
        assert await peer.exactly(4) == b"ping"
        assert stream.consumed_bytes == 9
        await peer.send(b"pong")
        await eventually(lambda: bytes(stream.content) == b"firstpong")
        client.end()
        assert await peer.rest() == b""
        await peer.send(b"bye")
        peer.close()
        await eventually(lambda: stream.has_ended)
        assert bytes(stream.content) == b"firstpongbye"


@on_every_loop
async def test_websocket_half_closed_by_the_backend_still_passes_data_to_it() -> None:
    async with streaming() as streams:
        client, stream, peer = await opened(streams)
        peer.finish()
        await eventually(lambda: stream.has_ended)
        client.body(b"last words")
        assert await peer.exactly(10) == b"last words"
        client.end()
        assert await peer.rest() == b""


@on_every_loop
async def test_websocket_that_ends_before_its_101_is_half_closed_after_it() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(WEBSOCKET)
        client.body(b"early")
        client.end()
        peer, request = await streams.backend.take()
        await peer.send(switching(request.get(b"Sec-WebSocket-Key")))
        assert await peer.rest() == b"early"
        await peer.send(b"bye")
        peer.close()
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (200, b"bye")


@on_every_loop
async def test_page_in_place_of_a_switch_does_not_accept_the_websocket() -> None:
    """RFC 8441 section 5: a client reads any 2xx as the beginning of its tunnel."""
    async with streaming() as streams:
        client, stream = streams.begin(WEBSOCKET)
        peer, _ = await streams.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (502, b"page")
        client.end()


@on_every_loop
async def test_refused_websocket_gets_the_response_of_the_backend() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(WEBSOCKET)
        client.body(b"early")
        peer, _ = await streams.backend.take()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (403, b"no")
        assert not stream.is_reading
        client.body(b"late")
        client.end()
        assert stream.consumed_bytes == 0


@on_every_loop
async def test_wrong_accept_field_gives_502() -> None:
    """RFC 6455 section 4.1: the proxy checks it, as the client has no key."""
    async with streaming() as streams:
        _, stream = streams.begin(WEBSOCKET)
        peer, _ = await streams.backend.take()
        await peer.send(switching(b"another"))
        await eventually(lambda: stream.has_ended)
        assert stream.status == 502
        assert await peer.rest() == b""
        assert not streams.bench.proxy_server.context.tunnels


# Back-pressure


@on_every_loop
async def test_data_before_the_101_is_kept_and_its_window_is_not_opened() -> None:
    async with streaming(is_open=False) as streams:
        client, stream = streams.begin(WEBSOCKET)
        for piece in (b"a", b"b", b"c"):
            client.body(piece)
        await streams.bench.held(1)
        assert stream.consumed_bytes == 0
        streams.bench.start()
        peer, request = await streams.backend.take()
        assert stream.consumed_bytes == 0
        await peer.send(switching(request.get(b"Sec-WebSocket-Key")))
        assert await peer.exactly(3) == b"abc"
        await eventually(lambda: stream.consumed_bytes == 3)


@on_every_loop
async def test_paused_stream_stops_the_backend() -> None:
    async with streaming() as streams:
        client, stream, peer = await opened(streams)
        client.pause()
        await peer.send_until_stuck(b"x" * 65_536)
        before = len(stream.content)
        await turn()
        assert len(stream.content) == before
        client.resume()
        await eventually(lambda: len(stream.content) > before)


@on_every_loop
async def test_backend_that_does_not_read_stops_the_stream() -> None:
    async with streaming(receive_bytes=65_536) as streams:
        client, stream, peer = await opened(streams)
        sent = idle = 0
        while idle < 30:
            if sent - stream.consumed_bytes < 262_144:
                client.body(b"x" * 16_384)
                sent += 16_384
                idle = 0
            idle += 1
            await turn()
        assert stream.consumed_bytes < sent
        assert await peer.exactly(sent) == b"x" * sent
        await eventually(lambda: stream.consumed_bytes == sent)


# The end


@on_every_loop
async def test_restart_sends_close_1012_and_waits_for_the_response() -> None:
    async with streaming() as streams:
        client, stream, _ = await opened(streams)
        streams.bench.restart()
        assert bytes(stream.content) == CLOSE_1012
        assert not stream.is_over
        client.body(Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=True))
        assert stream.has_ended
        assert not stream.is_reading
        client.end()


@on_every_loop
async def test_restart_in_the_middle_of_a_frame_resets_the_stream() -> None:
    async with streaming() as streams:
        _, stream, peer = await opened(streams)
        await peer.send(Frame(Opcode.TEXT, b"hello").serialize(mask=False)[:4])
        await eventually(lambda: len(stream.content) == 4)
        streams.bench.restart()
        assert stream.why is StreamReset.INTERNAL


@on_every_loop
async def test_reset_of_the_stream_resets_the_backend() -> None:
    async with streaming() as streams:
        client, stream, peer = await opened(streams)
        client.reset()
        await peer.assert_reset()
        assert not stream.is_over
        assert not streams.bench.proxy_server.context.tunnels


@on_every_loop
async def test_reset_by_the_backend_resets_the_stream() -> None:
    async with streaming() as streams:
        _, stream, peer = await opened(streams)
        peer.reset()
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
