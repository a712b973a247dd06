"""HTTP/3, the bridge and the data plane together: what a browser sees of a backend."""

import asyncio
import base64
import contextlib
import hashlib

from aioquic.h3.connection import ErrorCode
from websockets.frames import Frame, Opcode

from test.fakes import OK, Peer
from test.front_door.http2_client import get, websocket
from test.front_door.http3_fronts import fronting
from test.loops import eventually, on_every_loop, turn

MIB = 2**20

# One request


@on_every_loop
async def test_the_backend_sees_what_it_would_over_http11() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(get("/a?b", (b"cookie", b"a=1"), (b"cookie", b"b=2")))
        _, request = await front.bench.backend.serve()
        assert request.first == b"GET /a?b HTTP/1.1"
        assert request.get(b"Host") == b"localhost"
        assert request.get(b"cookie") == b"a=1; b=2"
        assert request.get(b"Forwarded") == b"for=127.0.0.1;host=localhost;proto=https"
        assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        first, second = (request.get(b"Via") or b"").split(b", ")
        assert first.startswith(b"3 ")
        assert second.startswith(b"1.1 ")
        answer = await client.answer(stream_id)
        assert (answer.status, bytes(answer.body)) == (200, b"ok")


@on_every_loop
async def test_another_peer_speaks_for_nobody() -> None:
    async with fronting(trusted=()) as front:
        client = await front.client()
        await client.ask(get("/", (b"x-forwarded-for", b"192.0.2.7")))
        _, request = await front.bench.backend.serve()
        assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
        refused = await client.fetch(get("/_hpp/status"))
        assert refused.status == 403
        assert b"127.0.0.1" in refused.body


@on_every_loop
async def test_another_host_is_refused() -> None:
    async with fronting() as front:
        client = await front.client()
        fields = [(b":authority", b"evil.example") if f[0] == b":authority" else f for f in get()]
        assert (await client.fetch(fields)).status == 403


@on_every_loop
async def test_trailers_both_ways() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"te", b"trailers"), method=b"POST"), None)
        await client.upload(stream_id, b"abc")
        client.http.send_headers(stream_id, [(b"x-sum", b"1")], end_stream=True)
        client.transmit()
        peer = await front.bench.backend.accept()
        assert (await peer.head()).get(b"TE") == b"trailers"
        assert await peer.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nx-sum: 1"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        await peer.send(head, b"2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n")
        answer = await client.answer(stream_id)
        assert answer.trailers == [(b"x-sum", b"2")]


# Large, many, slow


@on_every_loop
async def test_8_mib_up_and_down() -> None:
    async with fronting() as front:
        client = await front.client()
        client.keeps_bodies = False
        size = 8 * MIB
        stream_id = await client.ask(
            get("/", (b"content-length", b"%d" % size), method=b"POST"), None
        )
        peer = await front.bench.backend.accept()
        await peer.head()
        digests = [hashlib.sha256(), hashlib.sha256()]
        piece = bytes(range(256)) * 4096

        async def fetch() -> None:
            for _ in range(8):
                digests[0].update(piece)
                await client.upload(stream_id, piece)
            await client.upload(stream_id, b"", end=True)
            assert (await client.answer(stream_id)).size_bytes == size

        async def echo() -> None:
            for _ in range(8):
                digests[1].update(await peer.exactly(MIB))
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(8):
                await peer.send(piece)

        async with asyncio.TaskGroup() as group:
            group.create_task(fetch(), name="fetch")
            group.create_task(echo(), name="echo")
        assert digests[0].digest() == digests[1].digest()


@on_every_loop
async def test_an_upload_that_stalls_is_not_kept_here() -> None:
    """Windows, sockets' buffers, and no more: the client waits."""
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), None)
        peer = await front.bench.backend.accept()
        await peer.head()
        client.http.send_data(stream_id, bytes(24 * MIB), end_stream=True)
        client.transmit()
        sent = -1
        sender = client.quic._streams[stream_id].sender
        while sent < sender.highest_offset:
            sent = sender.highest_offset
            for _ in range(100):
                await client.ping()
        assert 0 < sent < 12 * MIB
        other = await client.ask()
        await front.bench.backend.serve()
        assert (await client.answer(other)).status == 200


@on_every_loop
async def test_a_hundred_at_once() -> None:
    async with fronting() as front:
        client = await front.client()
        asked = {await client.ask(get(f"/{number}")): number for number in range(100)}
        peers: dict[bytes, Peer] = {}
        for _ in asked:
            peer = await front.bench.backend.accept()
            peers[(await peer.request()).target] = peer
        for stream_id, number in reversed(asked.items()):
            text = b"%d" % number
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)
            await peers[b"/" + text].send(head, text)
            assert bytes((await client.answer(stream_id)).body) == text


@on_every_loop
async def test_a_stalled_download_stops_no_other() -> None:
    async with fronting() as front:
        client = await front.client(stingy=True)
        await client.ask(get("/large"))
        peer = await front.bench.backend.accept()
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        assert await peer.send_until_stuck(b"x" * 65_536) < 32 * MIB


@on_every_loop
async def test_a_client_that_gives_up_ends_the_request_at_the_backend() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask()
        peer = await front.bench.backend.accept()
        await peer.request()
        client.cancel(stream_id)
        assert await peer.rest() == b""


# Restarts


@on_every_loop
async def test_requests_are_held_while_the_backend_starts() -> None:
    async with fronting(is_open=False) as front:
        client = await front.client()
        asked = [await client.ask(), await client.ask(get(method=b"POST"), b"abc")]
        await front.bench.held(2)
        front.bench.start()
        bodies = [(await front.bench.backend.serve())[1].body for _ in asked]
        assert sorted(bodies) == [b"", b"abc"]
        for stream_id in asked:
            assert (await client.answer(stream_id)).status == 200


@on_every_loop
async def test_a_safe_request_is_sent_again_to_the_next_backend() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask()
        peer = await front.bench.backend.accept()
        await peer.request()
        front.bench.restart()
        await front.bench.backend.serve()
        assert (await client.answer(stream_id)).status == 200


@on_every_loop
async def test_an_unsafe_request_is_not_sent_again() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), b"abc")
        peer = await front.bench.backend.accept()
        await peer.request()
        front.bench.restart()
        answer = await client.answer(stream_id)
        assert answer.status == 502
        assert b"may have taken effect" in answer.body


@on_every_loop
async def test_a_response_that_has_begun_is_cut_and_the_others_go_on() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask()
        peer = await front.bench.backend.accept()
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert await client.body(stream_id, 3) == b"abc"
        held = await client.ask()
        other = await front.bench.backend.accept()
        await other.request()
        front.bench.restart()
        assert await client.was_reset(stream_id) == ErrorCode.H3_INTERNAL_ERROR
        await front.bench.backend.serve()
        assert (await client.answer(held)).status == 200


@on_every_loop
async def test_restarts_under_load_cost_no_request() -> None:
    async with fronting() as front:
        client = await front.client()
        tasks: list[asyncio.Task[None]] = []

        async def serve() -> None:
            while True:
                peer = await front.bench.backend.accept()
                tasks.append(group.create_task(answer(peer), name="answer"))

        async def answer(peer: Peer) -> None:
            while await peer.more():
                if b"\r\n\r\n" in peer.unread:
                    peer.unread = b""
                    await turn()
                    with contextlib.suppress(ConnectionError):  # a restart came first
                        peer.send_some(OK)

        async def restart() -> None:
            for _ in range(20):
                for _ in range(5):
                    await turn()
                front.bench.restart()

        async with asyncio.TaskGroup() as group:
            tasks.append(group.create_task(serve(), name="serve"))
            restarting = group.create_task(restart(), name="restart")
            while not restarting.done():
                asked = [await client.ask() for _ in range(10)]
                for stream_id in asked:
                    assert (await client.answer(stream_id)).status == 200
            for task in tasks:
                task.cancel()


# WebSockets over HTTP/3 (RFC 9220)


async def accept_websocket(peer: Peer) -> None:
    request = await peer.request()
    assert request.get(b"Upgrade") == b"websocket"
    key = request.get(b"Sec-WebSocket-Key") or b""
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    await peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
    )


@on_every_loop
async def test_a_websocket() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(websocket("/chat"), None)
        peer = await front.bench.backend.accept()
        await accept_websocket(peer)
        answer = await client.head(stream_id)
        assert answer.status == 200
        assert not answer.all(b"upgrade") + answer.all(b"sec-websocket-accept")
        said = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
        await client.upload(stream_id, said)
        assert await peer.exactly(len(said)) == said
        told = Frame(Opcode.TEXT, b"world").serialize(mask=False)
        await peer.send(told)
        assert await client.body(stream_id, len(told)) == told
        # beside other requests
        other = await client.ask()
        await front.bench.backend.serve()
        assert (await client.answer(other)).status == 200
        await client.upload(stream_id, b"", end=True)
        assert await peer.rest() == b""
        peer.close()
        await client.answer(stream_id)


@on_every_loop
async def test_a_websocket_is_told_of_a_restart() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(websocket(), None)
        await accept_websocket(await front.bench.backend.accept())
        await client.head(stream_id)
        front.bench.restart()
        close = Frame(Opcode.CLOSE, (1012).to_bytes(2, "big")).serialize(mask=False)
        assert await client.body(stream_id, len(close)) == close
        await client.upload(stream_id, b"", end=True)
        await client.answer(stream_id)


@on_every_loop
async def test_a_websocket_that_its_client_resets() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(websocket(), None)
        peer = await front.bench.backend.accept()
        await accept_websocket(peer)
        await client.head(stream_id)
        client.cancel(stream_id)
        assert await peer.rest() == b""
        peer.close()
        await eventually(lambda: not front.bench.plane.tunnels)


@on_every_loop
async def test_a_websocket_that_the_backend_refuses() -> None:
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(websocket(), None)
        await front.bench.backend.serve(b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno")
        answer = await client.answer(stream_id)
        assert (answer.status, bytes(answer.body)) == (403, b"no")
