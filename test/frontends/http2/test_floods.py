"""HTTP/2 clients that waste the server's time or memory: their connections are closed."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from httpprocessproxy.frontends.http2.floods import TokenBucket
from httpprocessproxy.frontends.http2.settings import EMPTY_FRAMES, RESETS
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import serving_http2
from test.frontends.http2_client import Fields, Http2Client, get
from test.loops import on_every_loop

# RFC 9218 section 7.1. hyperframe does not set the length of an extension frame.
PRIORITY_UPDATE = ExtensionFrame(0x10, 0, body=b"\0\0\0\1u=1")
PRIORITY_UPDATE.body_len = 7


def taken(bucket: TokenBucket, now: float) -> int:
    """Take all tokens that the bucket has, and return their number."""
    count = 0
    while bucket.take(now):
        count += 1
    return count


def test_token_bucket_gives_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(5, 2)
    assert [taken(bucket, now) for now in (100.0, 100.25, 100.5, 103.0)] == [5, 0, 1, 5]


def test_token_bucket_never_holds_more_than_a_burst() -> None:
    bucket = TokenBucket(3, 1000)
    assert taken(bucket, 0.0) == 3
    assert taken(bucket, 1e6) == 3


async def goodbye_code(client: Http2Client) -> ErrorCodes | int | None:
    """Wait for the end of the connection; return the error code of its GOAWAY."""
    goodbye = await client.ended()
    return None if goodbye is None else goodbye.error_code


async def assert_answered(client: Http2Client, handler: RecordingHandler) -> None:
    """Send a request after the frames of a test, and assert that it gets its response."""
    stream_id = await client.ask(get("/last"))
    while not handler.sinks or handler.sinks[-1].head.path != b"/last":
        client.state.ping(b"12345678")
        await client.flush()
        assert await client.more()
    handler.sinks[-1].answer()
    assert (await client.answer(stream_id)).status == 200


def headers(client: Http2Client, stream_id: int, fields: Fields, *flags: str) -> bytes:
    block = client.state.encoder.encode(fields)
    return HeadersFrame(stream_id, block, flags=["END_HEADERS", *flags]).serialize()


@on_every_loop
async def test_rapid_resets_close_the_connection() -> None:
    """CVE-2023-44487."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        burst = RESETS[0] + 200
        for stream_id in range(1, 2 * burst, 2):
            await client.write(headers(client, stream_id, get(), "END_STREAM"))
            await client.write(RstStreamFrame(stream_id, ErrorCodes.CANCEL).serialize())
        assert await goodbye_code(client) == ErrorCodes.ENHANCE_YOUR_CALM
        assert all(seen.was_reset for seen in handler.sinks)
        assert len(handler.sinks) <= RESETS[0] + 100


@on_every_loop
async def test_resets_provoked_from_the_server_close_the_connection() -> None:
    """CVE-2025-8671: a window that grows too large is a stream error."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        burst = RESETS[0] + 200
        for stream_id in range(1, 2 * burst, 2):
            await client.write(headers(client, stream_id, get(), "END_STREAM"))
            frame = WindowUpdateFrame(stream_id, window_increment=2**31 - 1)
            await client.write(frame.serialize())
        client.state._frame_dispatch_table[RstStreamFrame] = lambda frame: ([], [])
        assert await goodbye_code(client) == ErrorCodes.ENHANCE_YOUR_CALM


@on_every_loop
async def test_connection_survives_hundreds_of_cancelled_requests() -> None:
    """A browser cancels them when the user leaves a page."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        for _ in range(300):
            stream_id = await client.ask()
            await client.cancel(stream_id)
        await assert_answered(client, handler)


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(opaque_data=b"12345678"),
        SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}),
        DataFrame(1),
        DataFrame(1, flags=["PADDED"], pad_length=0),
        PriorityFrame(1, depends_on=0, stream_weight=9),
        WindowUpdateFrame(0, window_increment=1),
        WindowUpdateFrame(1, window_increment=1),
        PRIORITY_UPDATE,
    ],
    ids=[
        *("ping", "settings", "empty", "padding"),
        *("priority", "connection window", "stream window", "priority update"),
    ],
)
@on_every_loop
async def test_flood_of_frames_without_progress_closes_the_connection(frame: Frame) -> None:
    """CVE-2019-9511, 9512, 9513, 9515, 9518."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        await client.ask(get(method=b"POST"), None)
        flood = frame.serialize() * 500
        for _ in range(EMPTY_FRAMES[0] // 500 + 3):
            await client.write(flood)
        assert await goodbye_code(client) == ErrorCodes.ENHANCE_YOUR_CALM


@on_every_loop
async def test_connection_survives_a_thousand_priority_and_unknown_frames() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        priority = PriorityFrame(1, depends_on=0, stream_weight=9).serialize()
        unknown = bytes((0, 0, 1, 0xBB, 0, 0, 0, 0, 0, 1))
        for _ in range(10):
            await client.write((priority + unknown) * 50)
        await assert_answered(client, handler)


@on_every_loop
async def test_ten_window_updates_for_each_data_frame_are_allowed() -> None:
    """Over a response of 20 MB they exceed the limit without progress, but not the earned one."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        stream_id = await client.ask()
        sink = await handler.sink()
        sink.stream.head(200, [])
        update = WindowUpdateFrame(0, window_increment=1).serialize() * 10
        for _ in range(20 * 64):
            sink.stream.body(b"x" * 16_384)
            await client.write(update)
            while len(client.answers[stream_id].body) % 16_384 or sink.is_paused:
                assert await client.more()
        sink.stream.end()
        assert (await client.answer(stream_id)).reset is None


@on_every_loop
async def test_request_is_answered_during_a_flood_on_another_connection() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        flooding, other = await front.client(), await front.client()
        await flooding.fetch_settings()
        await flooding.write(PriorityFrame(1, depends_on=0, stream_weight=9).serialize() * 9000)
        await assert_answered(other, handler)


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(opaque_data=b"12345678"),
        DataFrame(1),
        PriorityFrame(1, depends_on=0, stream_weight=9),
        WindowUpdateFrame(0, window_increment=1),
    ],
    ids=["ping", "empty", "priority", "window"],
)
@on_every_loop
async def test_request_overtakes_a_flood_on_another_connection(frame: Frame) -> None:
    """Both are in socket buffers; the server reads the request before the end of the flood."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        flooding = await front.client()
        await flooding.fetch_settings()
        await flooding.ask(get(method=b"POST"), None)
        await handler.sink()
        (connection,) = front.connections
        other = await front.client()
        await other.fetch_settings()
        flood = frame.serialize() * (EMPTY_FRAMES[0] // 2)
        flooding._writer.write(flood)
        await other.ask()
        await handler.sink(1)
        assert connection._reader._frames, "the flood waits"


@on_every_loop
async def test_endless_continuation_frames_close_the_connection() -> None:
    """CVE-2024-27316 and others."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        block = client.state.encoder.encode(get())
        await client.write(HeadersFrame(1, block).serialize())
        for _ in range(80):
            await client.write(ContinuationFrame(1, block[-1:] * 1000).serialize())
        assert await goodbye_code(client) == ErrorCodes.PROTOCOL_ERROR
        assert not handler.sinks


@on_every_loop
async def test_head_that_decompresses_into_megabytes_closes_the_connection() -> None:
    """CVE-2016-6581: each byte refers to a field of 3000 bytes in the HPACK table."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        block = client.state.encoder.encode([*get(), (b"x", b"y" * 3000)])
        bomb = block + b"\xbe" * 10_000
        await client.write(HeadersFrame(1, bomb, flags=["END_HEADERS"]).serialize())
        assert await goodbye_code(client) == ErrorCodes.ENHANCE_YOUR_CALM
        assert not handler.sinks


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
    ],
)
@on_every_loop
async def test_bytes_that_are_not_http2_close_the_connection_without_goaway(data: bytes) -> None:
    """RFC 9113 section 3.4 allows to omit a GOAWAY that the client would not understand."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client(preface=data)
        assert await goodbye_code(client) is None
        assert not handler.sinks


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", None),  # a length that the client never sends
        (b"\x00\x00\x05\x06\x00\x00\x00\x00\x0012345", ErrorCodes.FRAME_SIZE_ERROR),  # PING
        (b"\x00\x00\x00\x00\x00\x00\x00\x00\x01", ErrorCodes.PROTOCOL_ERROR),  # DATA, no request
        (b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", ErrorCodes.PROTOCOL_ERROR),
        (b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\xff", ErrorCodes.PROTOCOL_ERROR),  # invalid HPACK
        (b"\x00\x00\x01\x01\x04\x00\x00\x00\x02\x82", ErrorCodes.PROTOCOL_ERROR),  # an even stream
    ],
)
@on_every_loop
async def test_invalid_frame_closes_the_connection(frame: bytes, code: ErrorCodes | None) -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        await client.write(frame)
        if code is None:
            client.finish()
        assert await goodbye_code(client) == code
        assert not handler.sinks
