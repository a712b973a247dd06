"""QUIC flow control: a client may send one window more than the sink has passed on."""

from httpprocessproxy.frontends.http3.quic_state import STREAM_WINDOW_BYTES
from test.frontends.ends import RecordingHandler
from test.frontends.http2_client import get
from test.frontends.http3_fronts import serving_http3
from test.loops import eventually, on_every_loop

POST = get("/", method=b"POST")


@on_every_loop
async def test_upload_stops_at_the_window_and_continues_by_what_was_passed_on() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        sink = await recorder.sink()
        sink.is_slow = True
        client.http.send_data(stream_id, bytes(8 * STREAM_WINDOW_BYTES), end_stream=True)
        client.transmit()
        sender = client.quic._streams[stream_id].sender
        await eventually(lambda: sender._buffer_start == STREAM_WINDOW_BYTES)
        await client.ping()
        first = len(sink.content)
        assert STREAM_WINDOW_BYTES - 100 < first < STREAM_WINDOW_BYTES
        sink.stream.consumed(first - 100_000)
        passed_on = STREAM_WINDOW_BYTES - 100_000
        await eventually(lambda: sender._buffer_start == passed_on + STREAM_WINDOW_BYTES)
        await client.ping()
        assert len(sink.content) == first + passed_on
        sink.stream.consumed(len(sink.content) - first + 100_000)
        sink.is_slow = False
        await sink.ended()
        assert len(sink.content) == 8 * STREAM_WINDOW_BYTES


@on_every_loop
async def test_stalled_uploads_do_not_block_another() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        for number in range(20):
            stalled = await client.ask(POST, None)
            (await recorder.sink(number)).is_slow = True
            client.http.send_data(stalled, bytes(STREAM_WINDOW_BYTES), end_stream=False)
        client.transmit()
        stream_id = await client.ask(POST, None)
        sink = await recorder.sink(20)
        await client.upload(stream_id, bytes(1_000_000), end=True)
        await sink.ended()
        assert len(sink.content) == 1_000_000
