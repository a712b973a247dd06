"""Responses over HTTP/3: their end, their resets and their back-pressure."""

import pytest

from httpprocessproxy.frontends.http3.stream import MAX_UNACKNOWLEDGED_BYTES, PIECE_BYTES
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingHandler
from test.frontends.http2_client import get
from test.frontends.http3_fronts import RESETS, serving_http3
from test.loops import eventually, on_every_loop

MIB = 1024 * 1024


@pytest.mark.parametrize("status", [200, 204, 304])
@on_every_loop
async def test_response_to_head_and_204_and_304_are_sent_without_a_body(status: int) -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"HEAD" if status == 200 else b"GET"))
        (await recorder.sink()).answer(b"of no use", status=status)
        answer = await client.answer(stream_id)
        assert (answer.status, answer.size_bytes) == (status, 0)
        assert answer.all(b"content-length") == [b"9"]


@on_every_loop
async def test_response_with_an_empty_body_ends() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        (await recorder.sink()).answer(b"")
        assert (await client.answer(stream_id)).size_bytes == 0


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("why", StreamReset)
@on_every_loop
async def test_reset_has_the_code_of_its_reason(why: StreamReset, begun: bool) -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), None)
        sink = await recorder.sink()
        if begun:
            sink.stream.head(200, [])
            sink.stream.body(b"the beginning")
            await client.head(stream_id)
        sink.stream.reset(why)
        assert await client.was_reset(stream_id) == RESETS[why]
        assert await client.was_stopped(stream_id) == RESETS[why]
        assert not client.answers[stream_id].has_ended
        sink.stream.reset(why)
        sink.stream.body(b"nothing comes of it")
        assert not sink.was_reset


@on_every_loop
async def test_sink_is_paused_until_the_client_acknowledges() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        sink = await recorder.sink()
        sink.stream.head(200, [])
        client.deaf = True
        sent = 0
        while not sink.is_paused:
            sink.stream.body(bytes(10_000))
            sent += 10_000
        assert MAX_UNACKNOWLEDGED_BYTES - PIECE_BYTES < sent <= MAX_UNACKNOWLEDGED_BYTES + 10_000
        client.deaf = False
        await eventually(lambda: not sink.is_paused)
        sink.stream.end()
        assert (await client.answer(stream_id)).size_bytes == sent


@on_every_loop
async def test_large_response_never_exceeds_the_limit_of_unacknowledged_bytes() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        sink = await recorder.sink()
        (connection,) = front.http3.endpoints[0].connections
        most = 0
        sink.answer(bytes(range(256)) * (MIB // 64))
        answer = client.answers[stream_id]

        def watch() -> bool:
            nonlocal most
            most = max(most, connection.state.unacknowledged_bytes(stream_id))
            return answer.has_ended

        await eventually(watch)
        assert bytes(answer.body) == bytes(range(256)) * (MIB // 64)
        assert most <= MAX_UNACKNOWLEDGED_BYTES + 2 * PIECE_BYTES


@on_every_loop
async def test_exhausted_window_stalls_only_its_own_stream() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client(stingy=True)
        slow = await client.ask()
        sink = await recorder.sink()
        sink.stream.head(200, [])
        while not sink.is_paused:
            sink.stream.body(bytes(PIECE_BYTES))
            await eventually(lambda: True)
        other = await client.ask()
        (await recorder.sink(1)).answer(b"fast")
        assert bytes((await client.answer(other)).body) == b"fast"
        await client.cancel(slow)
        await sink.lost()
