"""Replays of recorded requests: a client that discards its responses."""

import asyncio

import pytest

from httpprocessproxy.inspector.request_log import CUT, LEFT, REFUSED, RequestRecord
from test.fakes import ENDED, OK, Bench, get, post, serving
from test.frontends.stream_clients import asked as stream_head
from test.frontends.stream_clients import streaming
from test.loops import eventually, on_every_loop


def log(bench: Bench) -> list[RequestRecord]:
    return list(bench.proxy_server.context.log)


async def recorded(bench: Bench, request: bytes, answer: bytes = OK) -> RequestRecord:
    """Send a request, answer it, and return its record."""
    client = await bench.client(request)
    _, received = await bench.backend.serve(answer)
    await client.response(received.method.decode())
    await eventually(lambda: bool(log(bench)[0].ended_at))
    return log(bench)[0]


async def over(record: RequestRecord) -> None:
    await eventually(lambda: bool(record.ended_at))


@pytest.mark.parametrize(
    "request_",
    [
        get("/a?b=c", "Cookie: d=e"),
        post(b"hello", "/hook", "Forwarded: for=192.0.2.7"),
        get("/", "Transfer-Encoding: chunked", method="PUT") + b"3\r\nabc\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
@on_every_loop
async def test_replay_sends_the_same_bytes(request_: bytes) -> None:
    async with serving() as bench:
        first = await recorded(bench, request_)
        again = bench.proxy_server.replay(first)
        wire, received = await bench.backend.serve(OK)
        await over(again)
        assert (again.id, again.replay_of, again.status, again.outcome) == (2, 1, 200, "")
        assert again.request.head == first.request.head
        assert again.body == first.body
        assert received.target == first.request.target
        assert await wire.rest() == b""  # the connection is not kept


@on_every_loop
async def test_replay_waits_for_the_backend() -> None:
    async with serving() as bench:
        first = await recorded(bench, post(b"x"))
        bench.stop()
        again = bench.proxy_server.replay(first)
        await bench.held(1)
        bench.start()
        await bench.backend.serve(OK)
        await over(again)
        assert again.held_s > 0
        assert again.status == 200


@on_every_loop
async def test_replay_is_refused_after_a_crash() -> None:
    async with serving() as bench:
        first = await recorded(bench, post(b"x"))
        bench.gate.refuse(lambda: ENDED)
        again = bench.proxy_server.replay(first)
        await over(again)
        assert (again.status, again.outcome, again.sent) == (503, REFUSED, 0)
        # The client of the recorded request is left.
        await eventually(lambda: len(bench.proxy_server.context.clients) == 1)


@on_every_loop
async def test_large_response_to_a_replay_is_discarded() -> None:
    async with serving() as bench:
        first = await recorded(bench, get())
        again = bench.proxy_server.replay(first)
        wire, _ = await bench.backend.take()
        size = 4 * 1024 * 1024
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        await over(again)
        assert again.response_bytes == size


@on_every_loop
async def test_replay_can_be_replayed() -> None:
    async with serving() as bench:
        record = await recorded(bench, post(b"x"))
        for number in (2, 3):
            record = bench.proxy_server.replay(record)
            await bench.backend.serve(OK)
            await over(record)
            assert (record.id, record.replay_of) == (number, number - 1)


@on_every_loop
async def test_response_to_a_replay_is_cut_by_a_restart() -> None:
    async with serving() as bench:
        again = bench.proxy_server.replay(await recorded(bench, get()))
        wire, _ = await bench.backend.take()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await eventually(lambda: again.status == 200)
        bench.stop()
        await over(again)
        assert again.outcome == CUT


@on_every_loop
async def test_end_of_the_program_ends_a_replay() -> None:
    async with serving() as bench:
        first = await recorded(bench, get())
        bench.stop()
        again = bench.proxy_server.replay(first)
        await bench.held(1)
        for client in list(bench.proxy_server.context.clients):
            client.abort()
        await asyncio.sleep(0)
        assert again.outcome == LEFT


@pytest.mark.parametrize("body", [b"", b"hello"])
@on_every_loop
async def test_request_of_a_stream_is_replayed_with_the_same_bytes(body: bytes) -> None:
    async with streaming() as streams:
        client, stream = streams.begin(stream_head(b"POST"))
        if body:
            client.body(body)
        client.end()
        _, received = await streams.backend.serve(OK)
        await eventually(lambda: stream.has_ended)
        (first,) = log(streams.bench)
        again = streams.bench.proxy_server.replay(first)
        _, replayed = await streams.backend.serve(OK)
        await over(again)
        assert replayed.body == received.body == body
        assert (again.status, again.request.head) == (200, first.request.head)


@on_every_loop
async def test_replay_refuses_a_switch_of_protocols() -> None:
    async with serving() as bench:
        again = bench.proxy_server.replay(await recorded(bench, get()))
        wire, _ = await bench.backend.take()
        await wire.send(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await over(again)
        assert again.status == 502
        assert await wire.rest() == b""


@on_every_loop
async def test_replay_without_a_response_gets_504_after_the_time_limit() -> None:
    async with serving() as bench:
        again = bench.proxy_server.replay(await recorded(bench, get()))
        wire, _ = await bench.backend.take()
        (client,) = [client for client in bench.proxy_server.context.clients if client.replay_of]
        now = bench.proxy_server.loop.time()
        assert client.sweep(now, 4, 3600) == "web"
        assert not again.ended_at
        client.sweep(now + 3601, 4, 3600)
        assert (again.status, again.outcome) == (504, REFUSED)
        assert client not in bench.proxy_server.context.clients
        assert await wire.rest() == b""
