"""The end of a connection of HTTP/2, whoever wants it."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from httpprocessproxy.frontends.http2 import connection as http2
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import begun, ending_http2
from test.frontends.http2_client import get
from test.loops import on_every_loop


@on_every_loop
async def test_a_connection_that_closes_completes_what_is_under_way() -> None:
    """RFC 9113 section 6.8."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
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
async def test_a_client_learns_which_request_was_the_last() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, _ = await begun(front, handler, get())
        (connection,) = front.connections
        connection.close()
        while client.goodbye is None:
            assert await client.more()
        assert client.goodbye.error_code == ErrorCodes.NO_ERROR
        assert client.goodbye.last_stream_id == stream_id


@on_every_loop
async def test_draining_waits_for_some_and_not_for_ever() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        done, stuck = await front.client(), await front.client()
        stream_id = await done.ask()
        (await handler.visit()).answer()
        await stuck.ask()
        never = await handler.visit(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(http2.drain(front.connections, 0.1), name="drain")
            await done.answer(stream_id)
            await done.ended()
            await stuck.ended()
        assert never.was_reset
        await http2.drain(front.connections, 20)


@on_every_loop
async def test_aborting_ends_everything() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        (connection,) = front.connections
        connection.abort()
        assert await client.ended() is None
        assert seen.was_reset


@on_every_loop
async def test_an_idle_connection_is_closed() -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(http2, "IDLE_S", 0.2)
    handler = RecordingHandler()
    with patch.context():
        async with ending_http2(handler) as front:
            client, stream_id, seen = await begun(front, handler, get())
            await asyncio.sleep(0.5)  # not idle: somebody waits for an answer
            assert front.connections
            seen.answer()
            await client.answer(stream_id)
            goodbye = await client.ended()
            assert goodbye is not None
            assert goodbye.error_code == ErrorCodes.NO_ERROR
    patch.undo()


@on_every_loop
async def test_a_client_that_says_goodbye() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        await client.write(GoAwayFrame().serialize())
        await client.ended()
        assert seen.was_reset
