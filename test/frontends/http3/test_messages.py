"""HTTP/3 messages that aioquic would buffer for ever, or close the connection for."""

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import Setting

from httpprocessproxy.core.http.http1 import MAX_HEAD_BYTES
from httpprocessproxy.frontends.http3.messages import Messages
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http2_client import Answer, get
from test.frontends.http3_client import Http3Client
from test.frontends.http3_fronts import Front, serving_http3
from test.loops import eventually, on_every_loop

DATA, HEADERS, MAX_PUSH_ID = 0x00, 0x01, 0x0D


def begin(client: Http3Client, kind: int, size_bytes: int) -> int:
    """Open a stream with the header of a frame, and without its payload."""
    stream_id = client.quic.get_next_available_stream_id()
    client.answers[stream_id] = Answer()
    client.quic.send_stream_data(stream_id, encode_uint_var(kind) + encode_uint_var(size_bytes))
    return stream_id


def messages(front: Front) -> Messages:
    (connection,) = front.http3.endpoints[0].connections
    found = connection._application._h3  # type: ignore[attr-defined]
    assert isinstance(found, Messages)
    return found


@on_every_loop
async def test_oversized_headers_frame_is_refused_before_it_is_complete() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        stream_id = begin(client, HEADERS, 1 << 30)
        client.quic.send_stream_data(stream_id, bytes(MAX_HEAD_BYTES + 100_000))
        client.transmit()
        assert (await client.answer(stream_id)).status == 431
        await client.was_stopped(stream_id)
        assert (await client.fetch()).status == 200


@on_every_loop
async def test_oversized_trailers_reset_the_stream() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), None)
        sink = await recorder.sink()
        client.quic.send_stream_data(stream_id, encode_uint_var(HEADERS) + encode_uint_var(1 << 30))
        client.quic.send_stream_data(stream_id, bytes(MAX_HEAD_BYTES + 1))
        client.transmit()
        assert await client.was_reset(stream_id) == 0x10E  # H3_MESSAGE_ERROR
        await sink.lost()


@on_every_loop
async def test_oversized_control_frame_closes_the_connection() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        control = client.http._local_control_stream_id
        assert control is not None
        frame = encode_uint_var(MAX_PUSH_ID) + encode_uint_var(1 << 30) + bytes(20_000)
        client.quic.send_stream_data(control, frame)
        client.transmit()
        assert await client.ended() == 0x107  # H3_EXCESSIVE_LOAD


@on_every_loop
async def test_data_before_headers_closes_the_connection() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        begin(client, DATA, 10)
        client.transmit()
        assert await client.ended() == 0x105  # H3_FRAME_UNEXPECTED


@pytest.mark.parametrize("critical", [3, 7, 11])
@on_every_loop
async def test_stop_sending_on_a_critical_stream_closes_the_connection(critical: int) -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        await client.fetch()
        # One datagram with the request first: the server has data to send when it is stopped.
        stream_id = client.quic.get_next_available_stream_id()
        client.http.send_headers(stream_id, get(), end_stream=True)
        client.quic.stop_stream(critical, 0x100)
        client.quic._streams_queue.sort(key=lambda stream: stream.stream_id == critical)
        client.transmit()
        assert await client.ended() == 0x104  # H3_CLOSED_CRITICAL_STREAM


@on_every_loop
async def test_stream_that_ends_before_its_headers_is_reset() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        stream_id = client.quic.get_next_available_stream_id()
        client.answers[stream_id] = Answer()
        client.quic.send_stream_data(stream_id, b"", end_stream=True)
        client.transmit()
        assert await client.was_reset(stream_id) == 0x10D  # H3_REQUEST_INCOMPLETE
        assert (await client.fetch()).status == 200


@on_every_loop
async def test_settings_announce_the_limits() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        await client.fetch()
        assert client.http.received_settings is not None
        settings = client.http.received_settings
        assert settings[Setting.MAX_FIELD_SECTION_SIZE] == MAX_HEAD_BYTES
        assert settings[Setting.QPACK_MAX_TABLE_CAPACITY] == 0
        assert settings[Setting.ENABLE_CONNECT_PROTOCOL] == 1


@on_every_loop
async def test_ended_streams_leave_no_state_in_aioquic() -> None:
    """A connection may last for days; all kinds of ended streams have to be released."""
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        served, reset, malformed, stopped, cancelled = [
            await client.ask(get(method=b"POST"), None) for _ in range(5)
        ]
        sinks = [await recorder.sink(number) for number in range(5)]
        await client.upload(served, b"a", end=True)
        sinks[0].answer()
        sinks[1].stream.reset(StreamReset.INTERNAL)
        await client.was_stopped(reset)
        await client.end(malformed, [(b":status", b"200")])
        sinks[3].answer()
        sinks[3].stream.stop_reading()
        client.quic.send_stream_data(stopped, b"", end_stream=True)
        client.transmit()
        await client.cancel(cancelled)
        await client.fetch(get()[1:])
        found = messages(front)
        await eventually(lambda: not [number for number in found._stream if number % 4 == 0])
        assert not found._ignored
