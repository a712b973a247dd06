"""HTTP/2 flow control: a slow reader is not sent more than its window, and blocks no other."""

from httpprocessproxy.frontends.http2.settings import STREAM_WINDOW_BYTES
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import begun, serving_http2
from test.frontends.http2_client import get
from test.loops import eventually, on_every_loop, turn


@on_every_loop
async def test_upload_stops_at_the_window_until_the_sink_has_consumed_it() -> None:
    handler = RecordingHandler(is_slow=True)
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"POST"), None)
        await client.fetch_settings()
        await client.upload(stream_id, b"x" * STREAM_WINDOW_BYTES)
        await eventually(lambda: len(seen.content) == STREAM_WINDOW_BYTES)
        assert client.state.local_flow_control_window(stream_id) == 0
        seen.stream.consumed(STREAM_WINDOW_BYTES)
        await client.upload(stream_id, b"x" * 1000, end=True)
        await eventually(lambda: seen.has_ended)


@on_every_loop
async def test_response_stops_at_the_window_and_pauses_the_sink() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        client.stingy = True
        seen.stream.head(200, [])
        sent = 0
        while not seen.is_paused:
            seen.stream.body(b"x" * 8192)
            sent += 8192
            await turn()
        assert sent < 65_535 + 2 * 64 * 1024 + 8192
        assert len(await client.body(stream_id, 65_535)) == 65_535
        seen.stream.end()
        client.stingy = False
        client.state.acknowledge_received_data(65_535, stream_id)
        await client.flush()
        await client.answer(stream_id)
        assert client.answers[stream_id].size_bytes == sent


@on_every_loop
async def test_stalled_response_does_not_block_the_others() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stalled, seen = await begun(front, handler, get())
        client.state.increment_flow_control_window(2**24)
        client.stingy = True
        seen.stream.head(200, [])
        seen.stream.body(b"x" * 200_000)
        await client.body(stalled, 65_535)
        client.stingy = False
        for number in range(1, 20):
            stream_id = await client.ask()
            (await handler.sink(number)).answer(b"y" * 1000)
            assert len((await client.answer(stream_id)).body) == 1000
        assert seen.is_paused
        assert client.answers[stalled].size_bytes == 65_535


@on_every_loop
async def test_two_large_responses_are_interleaved() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client(window_bytes=2**24)
        client.state.increment_flow_control_window(2**24)
        first, second = await client.ask(), await client.ask()
        await handler.sink(1)
        for seen in handler.sinks:
            seen.answer(b"x" * 500_000)
        while not client.answers[first].size_bytes or not client.answers[second].size_bytes:
            assert await client.more()
        sizes = [client.answers[stream_id].size_bytes for stream_id in (first, second)]
        assert min(sizes) * 4 > max(sizes) - 65_536
        for stream_id in (first, second):
            await client.answer(stream_id)


@on_every_loop
async def test_client_that_does_not_read_its_socket_pauses_the_sink() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client(window_bytes=2**30)
        client.state.increment_flow_control_window(2**30)
        stream_id = await client.ask()
        seen = await handler.sink()
        seen.stream.head(200, [])
        sent = 0
        while not seen.is_paused:
            seen.stream.body(b"x" * 65_536)
            sent += 65_536
            await turn()
        seen.stream.end()
        client.keeps_bodies = False
        assert (await client.answer(stream_id)).size_bytes == sent
