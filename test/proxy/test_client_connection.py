"""Connections of clients: requests in turn, responses in the same order."""

import asyncio

import pytest

from test.fakes import ENDED, OK, Bench, Peer, get, post, serving
from test.loops import eventually, on_every_loop, turn

MUCH = 16 * 1024 * 1024


async def serve_one_by_one(bench: Bench, count: int) -> list[bytes]:
    """Answer requests on the backend's connection; return their targets."""
    wire: Peer | None = None
    targets = []
    for _ in range(count):
        if wire is None:
            wire = await bench.backend.accept()
        request = await wire.request()
        targets.append(request.target)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.target)
        await wire.send(head, request.target)
    return targets


# Sequences of requests


@on_every_loop
async def test_head_that_arrives_byte_by_byte_is_accepted() -> None:
    async with serving() as bench:
        client = await bench.client()
        request = get("/slow", "X: y")
        for at in range(len(request)):
            await client.send(request[at : at + 1])
            await turn()
        _, seen = await bench.backend.serve()
        assert (seen.target, seen.get(b"X")) == (b"/slow", b"y")
        assert (await client.response()).status == 200


@on_every_loop
async def test_empty_lines_before_a_request_are_ignored() -> None:
    async with serving() as bench:
        client = await bench.client(b"\r\n\r\n\r", b"\n", get("/first"))
        await bench.backend.serve()
        assert (await client.response()).status == 200


@on_every_loop
async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as bench:
        targets = [f"/{number}" for number in range(100)]
        client = await bench.client(b"".join(map(get, targets)))
        seen = await serve_one_by_one(bench, 100)
        assert [target.decode() for target in seen] == targets
        assert [(await client.response()).body for _ in targets] == seen


@pytest.mark.parametrize("cut_at", [1, 20, 60, 61, 62, 63, 64, 65, 66, 80, 110])
@on_every_loop
async def test_pipelined_requests_with_bodies_are_separated(cut_at: int) -> None:
    chunked = get("/c", "Transfer-Encoding: chunked", method="POST")
    chunked += b"3\r\none\r\n0\r\n\r\n"
    stream = post(b"one", "/a") + chunked + get("/b")
    async with serving() as bench:
        client = await bench.client(stream[:cut_at])
        await turn()
        await client.send(stream[cut_at:])
        for target, body in (b"/a", b"one"), (b"/c", b"one"), (b"/b", b""):
            wire, request = await bench.backend.take()
            assert (request.target, request.body) == (target, body)
            await wire.send(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            assert (await client.response()).status == 200


@on_every_loop
async def test_pipelined_requests_are_held_and_refused_in_order() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/a") * 10)
        await bench.held(1)  # only one of them at a time
        bench.gate.refuse(lambda: ENDED)
        assert [(await client.response()).status for _ in range(10)] == [503] * 10
        bench.start()
        await client.send(get("/b"))
        await bench.backend.serve()
        assert (await client.response()).status == 200


@on_every_loop
async def test_invalid_pipelined_request_gets_400_after_earlier_responses() -> None:
    async with serving() as bench:
        client = await bench.client(get("/good"), b"nonsense\r\n\r\n", get("/never"))
        await bench.backend.serve()
        assert (await client.response()).status == 200
        response = await client.response()
        assert (response.status, response.get(b"Connection")) == (400, b"close")
        await client.assert_closed()
        other = await bench.client(get("/canary"))
        assert (await bench.backend.serve())[1].target == b"/canary"
        await other.response()


@on_every_loop
async def test_unread_responses_pause_reading_of_requests() -> None:
    """Error pages need no backend, so only back-pressure limits a client that never reads them."""
    async with serving(is_open=False, send_bytes=4096) as bench:
        bench.gate.refuse(lambda: ENDED)
        client = await bench.client(get() * 300, receive_bytes=4096)
        assert await client.more()
        sent = await client.send_until_stuck(get() * 100)
        assert 0 < sent < MUCH
        client.finish()
        assert (await client.response()).status == 503


@on_every_loop
async def test_unread_response_delays_the_next_response() -> None:
    async with serving(send_bytes=4096) as bench:
        client = await bench.client(get("/first") + get("/second"), receive_bytes=4096)
        wire, _ = await bench.backend.take()
        size = 200 * 1024
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        # The second request may be sent already, but its response stays in the backend.
        second = asyncio.get_running_loop().create_future()

        async def serve_second() -> None:
            await wire.request()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
            second.set_result(await wire.send_until_stuck(b"x" * 65536))

        async with asyncio.TaskGroup() as group:
            serving_second = group.create_task(serve_second(), name="second")
            for _ in range(50):
                await turn()
            assert not second.done()
            assert len((await client.response()).body) == size
            await serving_second
        assert second.result() < MUCH


@on_every_loop
async def test_pipelined_request_of_a_client_that_left_is_not_sent() -> None:
    async with serving() as bench:
        client = await bench.client(get("/first") + get("/second"))
        wire, _ = await bench.backend.take()
        # Reset and response are both pending at the next iteration of the event loop.
        client.reset()
        wire.send_some(OK)
        await eventually(lambda: not bench.proxy_server.context.clients)
        assert await wire.rest() == b""
        other = await bench.client(get("/canary"))
        assert (await bench.backend.serve())[1].target == b"/canary"
        await other.response()


# Keep-alive, and its end


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (get(), True),
        (get("/", "Connection: close"), False),
        (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
@on_every_loop
async def test_connection_persists_by_version_and_option(
    head: bytes, is_kept: bool, is_open: bool
) -> None:
    async with serving(is_open=is_open) as bench:
        if not is_open:
            bench.gate.refuse(lambda: ENDED)
        for _ in range(2):
            client = await bench.client(head)
            if is_open:
                await bench.backend.serve()
            response = await client.response()
            option = response.get(b"Connection")
            if not is_kept:
                assert option == b"close"
                await client.assert_closed()
            else:
                assert option == (b"keep-alive" if b"1.0" in head else None)


@on_every_loop
async def test_first_response_of_a_new_generation_closes_the_connection() -> None:
    async with serving() as bench:
        client = await bench.client(get())
        await bench.backend.serve()
        assert (await client.response()).get(b"Connection") is None
        bench.restart()
        await client.send(get())
        await bench.backend.serve()
        assert (await client.response()).get(b"Connection") == b"close"
        await client.assert_closed()


@on_every_loop
async def test_connection_used_by_one_generation_only_persists() -> None:
    async with serving() as bench:
        await bench.client()  # a connection without a response of the first generation
        bench.restart()
        client = await bench.client(get() * 2)
        await serve_one_by_one(bench, 2)
        assert [(await client.response()).get(b"Connection") for _ in range(2)] == [None, None]


@on_every_loop
async def test_pipelined_requests_are_served_before_the_connection_closes() -> None:
    async with serving() as bench:
        client = await bench.client(get())
        await bench.backend.serve()
        await client.response()
        bench.restart()
        await client.send(get() * 3)
        await serve_one_by_one(bench, 3)
        options = [(await client.response()).get(b"Connection") for _ in range(3)]
        assert options == [None, None, b"close"]
        await client.assert_closed()
