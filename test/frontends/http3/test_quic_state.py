"""Flow control: what a client may send depends on what has been passed on."""

from httpprocessproxy.frontends.http3.quic_state import STREAM_WINDOW_BYTES
from test.frontends.ends import RecordingHandler
from test.frontends.http2_client import get
from test.frontends.http3_fronts import ending_http3
from test.loops import eventually, on_every_loop

POST = get("/", method=b"POST")


@on_every_loop
async def test_a_client_sends_a_window_ahead_and_then_what_has_been_passed_on() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit()
        visit.is_slow = True
        client.http.send_data(stream_id, bytes(8 * STREAM_WINDOW_BYTES), end_stream=True)
        client.transmit()
        sender = client.quic._streams[stream_id].sender
        await eventually(lambda: sender._buffer_start == STREAM_WINDOW_BYTES)
        await client.ping()
        first = len(visit.content)
        assert STREAM_WINDOW_BYTES - 100 < first < STREAM_WINDOW_BYTES
        visit.stream.consumed(first - 100_000)
        passed_on = STREAM_WINDOW_BYTES - 100_000
        await eventually(lambda: sender._buffer_start == passed_on + STREAM_WINDOW_BYTES)
        await client.ping()
        assert len(visit.content) == first + passed_on
        visit.stream.consumed(len(visit.content) - first + 100_000)
        visit.is_slow = False
        await visit.ended()
        assert len(visit.content) == 8 * STREAM_WINDOW_BYTES


@on_every_loop
async def test_uploads_that_stall_do_not_stop_another() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        for number in range(20):
            stalled = await client.ask(POST, None)
            (await recorder.visit(number)).is_slow = True
            client.http.send_data(stalled, bytes(STREAM_WINDOW_BYTES), end_stream=False)
        client.transmit()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit(20)
        await client.upload(stream_id, bytes(1_000_000), end=True)
        await visit.ended()
        assert len(visit.content) == 1_000_000
