"""Restarts of the backend while clients of HTTP/2 and HTTP/3 are connected."""

import asyncio
import contextlib

from test.fakes import OK, Peer
from test.frontends.http2_client import get
from test.frontends.versions import Version, every_version
from test.loops import on_every_loop, turn


@every_version
@on_every_loop
async def test_requests_are_held_while_the_backend_starts(version: Version) -> None:
    async with version.client(is_open=False) as (client, bench):
        asked = [await client.ask(), await client.ask(get(method=b"POST"), b"abc")]
        await bench.held(2)
        bench.start()
        bodies = [(await bench.backend.serve())[1].body for _ in asked]
        assert sorted(bodies) == [b"", b"abc"]
        for stream_id in asked:
            assert (await client.answer(stream_id)).status == 200


@every_version
@on_every_loop
async def test_safe_request_is_retried_after_a_restart(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask()
        await bench.backend.take()
        bench.restart()
        await bench.backend.serve()
        assert (await client.answer(stream_id)).status == 200


@every_version
@on_every_loop
async def test_unsafe_request_gets_502_after_a_restart(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(get(method=b"POST"), b"abc")
        await bench.backend.take()
        bench.restart()
        answer = await client.answer(stream_id)
        assert answer.status == 502
        assert b"may have taken effect" in answer.body


@every_version
@on_every_loop
async def test_upload_gets_502_at_a_restart_and_the_connection_goes_on(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask(get(method=b"POST"), None)
        await client.upload(stream_id, b"abc")
        peer = await bench.backend.accept()
        await peer.until(b"abc")
        bench.restart()
        assert (await client.answer(stream_id)).status == 502
        other = await client.ask(get(method=b"POST"), b"def")
        assert (await bench.backend.serve())[1].body == b"def"
        assert (await client.answer(other)).status == 200


@every_version
@on_every_loop
async def test_begun_response_is_reset_by_a_restart_and_others_continue(version: Version) -> None:
    async with version.client() as (client, bench):
        stream_id = await client.ask()
        peer, _ = await bench.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert await client.body(stream_id, 3) == b"abc"
        held = await client.ask()
        await bench.backend.take()
        bench.restart()
        assert await client.was_reset(stream_id) == version.internal_error
        await bench.backend.serve()
        assert (await client.answer(held)).status == 200


@every_version
@on_every_loop
async def test_restarts_under_load_lose_no_request(version: Version) -> None:
    async with version.client() as (client, bench):
        tasks: list[asyncio.Task[None]] = []

        async def serve() -> None:
            while True:
                peer = await bench.backend.accept()
                tasks.append(group.create_task(answer(peer), name="answer"))

        async def answer(peer: Peer) -> None:
            while await peer.more():
                if b"\r\n\r\n" in peer.unread:
                    peer.unread = b""
                    await turn()
                    with contextlib.suppress(ConnectionError):  # closed by a restart
                        peer.send_some(OK)

        async def restart() -> None:
            for _ in range(20):
                for _ in range(5):
                    await turn()
                bench.restart()

        async with asyncio.TaskGroup() as group:
            tasks.append(group.create_task(serve(), name="serve"))
            restarting = group.create_task(restart(), name="restart")
            while not restarting.done():
                asked = [await client.ask() for _ in range(10)]
                for stream_id in asked:
                    assert (await client.answer(stream_id)).status == 200
            for task in tasks:
                task.cancel()
