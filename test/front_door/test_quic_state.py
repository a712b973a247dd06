"""Flow control: what a client may send depends on what has been passed on."""

from httpprocessproxy.front_door.quic_state import STREAM_WINDOW_BYTES
from test.front_door.http2_client import get
from test.front_door.http3_fronts import Recorder, ending_http3
from test.loops import eventually, on_every_loop

POST = get("/", method=b"POST")


@on_every_loop
async def test_a_client_sends_a_window_ahead_and_then_what_has_been_passed_on() -> None:
    recorder = Recorder()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit()
        visit.reads = False
        client.http.send_data(stream_id, bytes(8 * STREAM_WINDOW_BYTES), end_stream=True)
        client.transmit()
        sender = client.quic._streams[stream_id].sender
        await eventually(lambda: sender._buffer_start == STREAM_WINDOW_BYTES)
        await client.ping()
        first = len(visit.data)
        assert STREAM_WINDOW_BYTES - 100 < first < STREAM_WINDOW_BYTES
        visit.stream.consumed(first - 100_000)
        passed_on = STREAM_WINDOW_BYTES - 100_000
        await eventually(lambda: sender._buffer_start == passed_on + STREAM_WINDOW_BYTES)
        await client.ping()
        assert len(visit.data) == first + passed_on
        visit.stream.consumed(len(visit.data) - first + 100_000)
        visit.reads = True
        await visit.ended()
        assert len(visit.data) == 8 * STREAM_WINDOW_BYTES


@on_every_loop
async def test_uploads_that_stall_do_not_stop_another() -> None:
    recorder = Recorder()
    async with ending_http3(recorder) as front:
        client = await front.client()
        for number in range(20):
            stalled = await client.ask(POST, None)
            (await recorder.visit(number)).reads = False
            client.http.send_data(stalled, bytes(STREAM_WINDOW_BYTES), end_stream=False)
        client.transmit()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit(20)
        await client.upload(stream_id, bytes(1_000_000), end=True)
        await visit.ended()
        assert len(visit.data) == 1_000_000


@on_every_loop
async def test_what_is_not_read_takes_no_room() -> None:
    recorder = Recorder()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit()
        visit.reads = False
        await client.upload(stream_id, b"the beginning")
        await eventually(lambda: len(visit.data) == 13)
        visit.stream.stop_reading()
        assert await client.was_stopped(stream_id) == 0x100  # H3_NO_ERROR
        visit.answer(b"enough")
        answer = await client.answer(stream_id)
        assert (answer.reset, bytes(answer.body)) == (None, b"enough")
        (connection,) = front.http3.endpoints[0].connections
        await eventually(lambda: not connection.state.has_requests)
        assert not connection.state._held
        assert visit.resets == 0
        assert visit.trailers is None
