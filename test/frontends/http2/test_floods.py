"""Clients that keep us busy, or would have us keep much: the end of their connections."""

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

from httpprocessproxy.frontends.http2.settings import EMPTY_FRAMES, RESETS
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import ending_http2
from test.frontends.http2_client import Fields, Http2Client, get
from test.loops import on_every_loop

# RFC 9218 section 7.1. hyperframe does not know how long it is.
PRIORITY_UPDATE = ExtensionFrame(0x10, 0, body=b"\0\0\0\1u=1")
PRIORITY_UPDATE.body_len = 7


async def told(client: Http2Client) -> ErrorCodes | int | None:
    goodbye = await client.ended()
    return None if goodbye is None else goodbye.error_code


async def assert_answered(client: Http2Client, handler: RecordingHandler) -> None:
    stream_id = await client.ask(get("/last"))
    while not handler.visits or handler.visits[-1].head.path != b"/last":
        client.state.ping(b"12345678")
        await client.flush()
        assert await client.more()
    handler.visits[-1].answer()
    assert (await client.answer(stream_id)).status == 200


def headers(client: Http2Client, stream_id: int, fields: Fields, *flags: str) -> bytes:
    block = client.state.encoder.encode(fields)
    return HeadersFrame(stream_id, block, flags=["END_HEADERS", *flags]).serialize()


@on_every_loop
async def test_rapid_resets() -> None:
    """CVE-2023-44487."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        burst = RESETS[0] + 200
        for stream_id in range(1, 2 * burst, 2):
            await client.write(headers(client, stream_id, get(), "END_STREAM"))
            await client.write(RstStreamFrame(stream_id, ErrorCodes.CANCEL).serialize())
        assert await told(client) == ErrorCodes.ENHANCE_YOUR_CALM
        assert all(seen.was_reset for seen in handler.visits)
        assert len(handler.visits) <= RESETS[0] + 100


@on_every_loop
async def test_resets_that_we_are_made_to_send() -> None:
    """CVE-2025-8671: a window that grows too large is an error of the stream."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        burst = RESETS[0] + 200
        for stream_id in range(1, 2 * burst, 2):
            await client.write(headers(client, stream_id, get(), "END_STREAM"))
            frame = WindowUpdateFrame(stream_id, window_increment=2**31 - 1)
            await client.write(frame.serialize())
        client.state._frame_dispatch_table[RstStreamFrame] = lambda frame: ([], [])
        assert await told(client) == ErrorCodes.ENHANCE_YOUR_CALM


@on_every_loop
async def test_a_page_that_is_left() -> None:
    """A few hundred requests that are cancelled at once are no attack."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
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
async def test_frames_that_bring_nothing_forward(frame: Frame) -> None:
    """CVE-2019-9511, 9512, 9513, 9515, 9518."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        await client.ask(get(method=b"POST"), None)
        flood = frame.serialize() * 500
        for _ in range(EMPTY_FRAMES[0] // 500 + 3):
            await client.write(flood)
        assert await told(client) == ErrorCodes.ENHANCE_YOUR_CALM


@on_every_loop
async def test_frames_that_cost_nothing() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        priority = PriorityFrame(1, depends_on=0, stream_weight=9).serialize()
        unknown = bytes((0, 0, 1, 0xBB, 0, 0, 0, 0, 0, 1))
        for _ in range(10):
            await client.write((priority + unknown) * 50)
        await assert_answered(client, handler)


@on_every_loop
async def test_windows_opened_in_small_steps_while_a_response_comes() -> None:
    """Ten of them for each DATA frame, 20 MB long, are no attack."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        stream_id = await client.ask()
        visit = await handler.visit()
        visit.stream.head(200, [])
        update = WindowUpdateFrame(0, window_increment=1).serialize() * 10
        for _ in range(20 * 64):
            visit.stream.body(b"x" * 16_384)
            await client.write(update)
            while len(client.answers[stream_id].body) % 16_384 or visit.is_paused:
                assert await client.more()
        visit.stream.end()
        assert (await client.answer(stream_id)).reset is None


@on_every_loop
async def test_a_flood_leaves_turns_to_other_connections() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
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
async def test_request_of_another_connection_overtakes_a_flood(frame: Frame) -> None:
    """Both have come when the server looks; it answers one before it has read the other."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        flooding = await front.client()
        await flooding.fetch_settings()
        await flooding.ask(get(method=b"POST"), None)
        await handler.visit()
        (connection,) = front.connections
        other = await front.client()
        await other.fetch_settings()
        flood = frame.serialize() * (EMPTY_FRAMES[0] // 2)
        flooding._writer.write(flood)
        await other.ask()
        await handler.visit(1)
        assert connection._reading._frames, "the flood waits"


@on_every_loop
async def test_a_head_without_end() -> None:
    """CVE-2024-27316 and others: CONTINUATION upon CONTINUATION."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        block = client.state.encoder.encode(get())
        await client.write(HeadersFrame(1, block).serialize())
        for _ in range(80):
            await client.write(ContinuationFrame(1, block[-1:] * 1000).serialize())
        assert await told(client) == ErrorCodes.PROTOCOL_ERROR
        assert not handler.visits


@on_every_loop
async def test_a_head_that_decompresses_into_megabytes() -> None:
    """CVE-2016-6581: each byte is a field of 3000 from the table."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        block = client.state.encoder.encode([*get(), (b"x", b"y" * 3000)])
        bomb = block + b"\xbe" * 10_000
        await client.write(HeadersFrame(1, bomb, flags=["END_HEADERS"]).serialize())
        assert await told(client) == ErrorCodes.ENHANCE_YOUR_CALM
        assert not handler.visits


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
    ],
)
@on_every_loop
async def test_what_is_not_http2(data: bytes) -> None:
    """RFC 9113 section 3.4 lets us go without a word that nobody would understand."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client(preface=data)
        assert await told(client) is None
        assert not handler.visits


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", None),  # as much is never sent
        (b"\x00\x00\x05\x06\x00\x00\x00\x00\x0012345", ErrorCodes.FRAME_SIZE_ERROR),  # PING
        (b"\x00\x00\x00\x00\x00\x00\x00\x00\x01", ErrorCodes.PROTOCOL_ERROR),  # DATA, no request
        (b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", ErrorCodes.PROTOCOL_ERROR),
        (b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\xff", ErrorCodes.PROTOCOL_ERROR),  # no HPACK
        (b"\x00\x00\x01\x01\x04\x00\x00\x00\x02\x82", ErrorCodes.PROTOCOL_ERROR),  # an even stream
    ],
)
@on_every_loop
async def test_frames_that_are_wrong(frame: bytes, code: ErrorCodes | None) -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        await client.fetch_settings()
        await client.write(frame)
        if code is None:
            client.finish()
        assert await told(client) == code
        assert not handler.visits
