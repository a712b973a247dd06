"""Closing of HTTP/2 connections by the server and by the client."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from httpprocessproxy.frontends.http2 import connection as http2
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import begun, serving_http2
from test.frontends.http2_client import get
from test.loops import on_every_loop


@on_every_loop
async def test_close_refuses_new_requests_and_completes_open_ones() -> None:
    """RFC 9113 section 6.8."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        (connection,) = front.connections
        connection.close()
        connection.close()
        client.state._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], [])
        refused = await client.ask()
        assert await client.was_reset(refused) == ErrorCodes.REFUSED_STREAM
        seen.answer(b"last words")
        assert (await client.answer(stream_id)).body == b"last words"
        await client.ended()
        assert connection.gone.is_set()


@on_every_loop
async def test_goaway_names_the_last_request() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, _ = await begun(front, handler, get())
        (connection,) = front.connections
        connection.close()
        while client.goodbye is None:
            assert await client.more()
        assert client.goodbye.error_code == ErrorCodes.NO_ERROR
        assert client.goodbye.last_stream_id == stream_id


@on_every_loop
async def test_drain_completes_responses_and_aborts_stuck_requests_after_its_timeout() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        done, stuck = await front.client(), await front.client()
        stream_id = await done.ask()
        (await handler.sink()).answer()
        await stuck.ask()
        never = await handler.sink(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(http2.drain(front.connections, 0.1), name="drain")
            await done.answer(stream_id)
            await done.ended()
            await stuck.ended()
        assert never.was_reset
        await http2.drain(front.connections, 20)


@on_every_loop
async def test_abort_closes_without_goaway_and_resets_the_sinks() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        (connection,) = front.connections
        connection.abort()
        assert await client.ended() is None
        assert seen.was_reset


@on_every_loop
async def test_idle_connection_is_closed_with_goaway() -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(http2, "IDLE_S", 0.2)
    handler = RecordingHandler()
    with patch.context():
        async with serving_http2(handler) as front:
            client, stream_id, seen = await begun(front, handler, get())
            await asyncio.sleep(0.5)  # not idle: a request is open
            assert front.connections
            seen.answer()
            await client.answer(stream_id)
            goodbye = await client.ended()
            assert goodbye is not None
            assert goodbye.error_code == ErrorCodes.NO_ERROR
    patch.undo()


@on_every_loop
async def test_goaway_of_the_client_closes_the_connection_and_resets_the_sinks() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        await client.write(GoAwayFrame().serialize())
        await client.ended()
        assert seen.was_reset
