"""HTTP/2 and HTTP/3 clients of a backend behind the data plane."""

import asyncio
import hashlib

from test.fakes import LOOPBACK, Peer
from test.frontends.http2_client import get
from test.frontends.versions import MIB, Version, every_version
from test.loops import on_every_loop

# One request


@every_version
@on_every_loop
async def test_backend_gets_an_http11_request_with_forwarding_fields(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(get("/a?b", (b"cookie", b"a=1"), (b"cookie", b"b=2")))
        _, request = await bench.backend.serve()
        assert request.first == b"GET /a?b HTTP/1.1"
        assert request.get(b"Host") == b"localhost"
        assert request.get(b"cookie") == b"a=1; b=2"
        assert request.get(b"Forwarded") == b"for=127.0.0.1;host=localhost;proto=https"
        assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        (via,) = (request.get(b"Via") or b"").split(b", ")
        assert via.startswith(version.via + b"http-process-proxy-")
        answer = await client.answer(stream_id)
        assert (answer.status, bytes(answer.body)) == (200, b"ok")


@every_version
@on_every_loop
async def test_forwarding_fields_of_an_untrusted_client_are_replaced(version: Version) -> None:
    async with version.client(trusted=()) as (client, bench):
        await client.ask(get("/", (b"x-forwarded-for", b"192.0.2.7")))
        _, request = await bench.backend.serve()
        assert request.get(b"X-Forwarded-For") == b"127.0.0.1"
        refused = await client.fetch(get("/_hpp/status"))
        assert refused.status == 403
        assert b"127.0.0.1" in refused.body


@every_version
@on_every_loop
async def test_hpp_generation_is_sent_to_trusted_clients_only(version: Version) -> None:
    for trusted, values in ((LOOPBACK, [b"1"]), ((), [])):
        async with version.client(trusted=trusted) as (client, bench):
            stream_id = await client.ask()
            await bench.backend.serve()
            assert (await client.answer(stream_id)).all(b"hpp-generation") == values


@every_version
@on_every_loop
async def test_unknown_host_is_refused_with_403(version: Version) -> None:
    async with version.client() as (client, _):
        fields = [(b":authority", b"evil.example") if f[0] == b":authority" else f for f in get()]
        assert (await client.fetch(fields)).status == 403


@every_version
@on_every_loop
async def test_trailers_pass_in_both_directions(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(get("/", (b"te", b"trailers"), method=b"POST"), None)
        await client.upload(stream_id, b"abc")
        await client.end(stream_id, [(b"x-sum", b"1")])
        peer = await bench.backend.accept()
        assert (await peer.head()).get(b"TE") == b"trailers"
        assert await peer.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nx-sum: 1"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        await peer.send(head, b"2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n")
        answer = await client.answer(stream_id)
        assert answer.trailers == [(b"x-sum", b"2")]


# Large bodies, many requests


@every_version
@on_every_loop
async def test_large_bodies_pass_unchanged_in_both_directions(version: Version) -> None:
    async with version.client() as (client, bench):
        client.keeps_bodies = False
        size = version.large_mib * MIB
        stream_id = await client.ask(
            get("/", (b"content-length", b"%d" % size), method=b"POST"), None
        )
        peer = await bench.backend.accept()
        await peer.head()
        digests = [hashlib.sha256(), hashlib.sha256()]
        piece = bytes(range(256)) * 4096

        async def fetch() -> None:
            for _ in range(version.large_mib):
                digests[0].update(piece)
                await client.upload(stream_id, piece)
            await client.upload(stream_id, b"", end=True)
            assert (await client.answer(stream_id)).size_bytes == size

        async def echo() -> None:
            for _ in range(version.large_mib):
                digests[1].update(await peer.exactly(MIB))
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(version.large_mib):
                await peer.send(piece)

        async with asyncio.TaskGroup() as group:
            group.create_task(fetch(), name="fetch")
            group.create_task(echo(), name="echo")
        assert digests[0].digest() == digests[1].digest()


@every_version
@on_every_loop
async def test_a_hundred_concurrent_requests_get_their_responses(version: Version) -> None:
    async with version.client() as (client, bench):
        asked = {await client.ask(get(f"/{number}")): number for number in range(100)}
        peers: dict[bytes, Peer] = {}
        for _ in asked:
            peer = await bench.backend.accept()
            peers[(await peer.request()).target] = peer
        for stream_id, number in reversed(asked.items()):
            text = b"%d" % number
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)
            await peers[b"/" + text].send(head, text)
            assert bytes((await client.answer(stream_id)).body) == text


@every_version
@on_every_loop
async def test_cancelled_request_is_aborted_at_the_backend(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask()
        peer, _ = await bench.backend.take()
        await client.cancel(stream_id)
        assert await peer.rest() == b""
