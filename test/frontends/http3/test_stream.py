"""Responses over HTTP/3: at the client's pace, and so that it can tell whether they are whole."""

import pytest

from httpprocessproxy.frontends.http3.stream import MAX_UNACKNOWLEDGED_BYTES, PIECE_BYTES
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingHandler
from test.frontends.http2_client import get
from test.frontends.http3_fronts import RESETS, ending_http3
from test.loops import eventually, on_every_loop

MIB = 1024 * 1024


@pytest.mark.parametrize("status", [200, 204, 304])
@on_every_loop
async def test_a_response_without_a_body_has_none(status: int) -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"HEAD" if status == 200 else b"GET"))
        (await recorder.visit()).answer(b"of no use", status=status)
        answer = await client.answer(stream_id)
        assert (answer.status, answer.size_bytes) == (status, 0)
        assert answer.all(b"content-length") == [b"9"]


@on_every_loop
async def test_an_empty_response_ends() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        (await recorder.visit()).answer(b"")
        assert (await client.answer(stream_id)).size_bytes == 0


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("why", StreamReset)
@on_every_loop
async def test_a_reset_says_why(why: StreamReset, begun: bool) -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), None)
        visit = await recorder.visit()
        if begun:
            visit.stream.head(200, [])
            visit.stream.body(b"the beginning")
            await client.head(stream_id)
        visit.stream.reset(why)
        assert await client.was_reset(stream_id) == RESETS[why]
        assert await client.was_stopped(stream_id) == RESETS[why]
        assert not client.answers[stream_id].has_ended
        visit.stream.reset(why)
        visit.stream.body(b"nothing comes of it")
        assert not visit.was_reset


@on_every_loop
async def test_a_client_that_is_behind_holds_the_visit_up() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        visit = await recorder.visit()
        visit.stream.head(200, [])
        client.deaf = True
        sent = 0
        while not visit.is_paused:
            visit.stream.body(bytes(10_000))
            sent += 10_000
        assert MAX_UNACKNOWLEDGED_BYTES - PIECE_BYTES < sent <= MAX_UNACKNOWLEDGED_BYTES + 10_000
        client.deaf = False
        await eventually(lambda: not visit.is_paused)
        visit.stream.end()
        assert (await client.answer(stream_id)).size_bytes == sent


@on_every_loop
async def test_what_comes_at_once_is_sent_at_the_clients_pace() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        visit = await recorder.visit()
        (connection,) = front.http3.endpoints[0].connections
        most = 0
        visit.answer(bytes(range(256)) * (MIB // 64))
        answer = client.answers[stream_id]

        def watch() -> bool:
            nonlocal most
            most = max(most, connection.state.unacknowledged_bytes(stream_id))
            return answer.has_ended

        await eventually(watch)
        assert bytes(answer.body) == bytes(range(256)) * (MIB // 64)
        assert most <= MAX_UNACKNOWLEDGED_BYTES + 2 * PIECE_BYTES


@on_every_loop
async def test_a_client_that_allows_no_more_stalls_its_own_stream_only() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client(stingy=True)
        slow = await client.ask()
        visit = await recorder.visit()
        visit.stream.head(200, [])
        while not visit.is_paused:
            visit.stream.body(bytes(PIECE_BYTES))
            await eventually(lambda: True)
        other = await client.ask()
        (await recorder.visit(1)).answer(b"fast")
        assert bytes((await client.answer(other)).body) == b"fast"
        await client.cancel(slow)
        await visit.lost()
