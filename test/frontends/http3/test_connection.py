"""HTTP/3 connections: requests, malformed messages, cancellations and the end of streams."""

import pytest

from httpprocessproxy.frontends.http3 import connection as http3_connection
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http2_client import Fields, get, websocket
from test.frontends.http3_fronts import serving_http3
from test.loops import eventually, on_every_loop, turn

MESSAGE_ERROR = 0x10E
CANCELLED = 0x10C

POST = get("/", method=b"POST")


@on_every_loop
async def test_head_of_a_request_reaches_the_handler() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        cookies = (b"cookie", b"a=1"), (b"cookie", b"b")
        await client.ask(get("/a?b=%20c", (b"accept", b"*/*"), *cookies))
        sink = await recorder.sink()
        head = sink.head
        assert (head.version, head.method, head.authority) == ("3", b"GET", b"localhost")
        assert (head.path, head.protocol) == (b"/a?b=%20c", None)
        assert head.fields == [(b"accept", b"*/*"), (b"cookie", b"a=1; b")]
        assert head.server == ("127.0.0.1", front.port)
        assert client._transport is not None
        assert head.client == client._transport.get_extra_info("sockname")
        assert await sink.ended() == ()


@on_every_loop
async def test_body_and_trailers_pass_in_both_directions() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"te", b"trailers"), method=b"POST"), None)
        sink = await recorder.sink()
        await client.upload(stream_id, b"some")
        await eventually(lambda: sink.content == b"some")
        await client.upload(stream_id, b"more")
        await client.end(stream_id, [(b"sum", b"8")])
        assert await sink.ended() == [(b"sum", b"8")]
        sink.stream.interim(103, [(b"link", b"</a.css>")])
        sink.stream.head(200, [(b"a", b"b"), (b"connection", b"close"), (b"alt-svc", b"h3")])
        sink.stream.body(b"what you ")
        sink.stream.body(b"said")
        sink.stream.end([(b"sum", b"13")])
        answer = await client.answer(stream_id)
        assert answer.interim == [[(b":status", b"103"), (b"link", b"</a.css>")]]
        assert answer.fields == [(b":status", b"200"), (b"a", b"b")]
        assert bytes(answer.body) == b"what you said"
        assert answer.trailers == [(b"sum", b"13")]


MALFORMED: list[tuple[str, Fields, int]] = [
    ("no method", get()[1:], 400),
    ("no scheme", [get()[0], *get()[2:]], 400),
    ("no authority", [*get()[:2], get()[3]], 400),
    ("no path", get()[:3], 400),
    ("an empty path", get(""), 400),
    ("an invalid path", get("nowhere"), 400),
    ("an unknown pseudo-header", [(b":color", b"red"), *get()], 400),
    ("a pseudo-header twice", [*get(), (b":path", b"/")], 400),
    ("a pseudo-header behind a field", [(b"a", b"b"), *get()], 400),
    ("an upper-case name", get("/", (b"Accept", b"*/*")), 400),
    ("a name with a space", get("/", (b"a b", b"c")), 400),
    ("a line break in a value", get("/", (b"a", b"b\r\nc: d")), 400),
    ("connection", get("/", (b"connection", b"close")), 400),
    ("transfer-encoding", get("/", (b"transfer-encoding", b"chunked")), 400),
    ("te", get("/", (b"te", b"gzip")), 400),
    ("an invalid length", get("/", (b"content-length", b"+0")), 400),
    ("two lengths", get("/", (b"content-length", b"0"), (b"content-length", b"00")), 400),
    ("a body that is missing", get("/", (b"content-length", b"5")), 400),
    ("two authorities", get("/", (b"host", b"elsewhere")), 400),
    ("CONNECT", [(b":method", b"CONNECT"), (b":authority", b"localhost:22")], 405),
    ("too many fields", get("/", *[(b"a", b"b")] * 201), 431),
    ("too long a field", get("/", (b"a", bytes(65_400).replace(b"\0", b"b"))), 431),
]


@pytest.mark.parametrize(
    ("fields", "status"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
@on_every_loop
async def test_malformed_request_gets_an_error_and_others_continue(
    fields: Fields, status: int
) -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        assert (await client.fetch(fields)).status == status
        assert (await client.fetch()).status == 200


@on_every_loop
async def test_body_longer_than_its_content_length_resets_before_the_sink_gets_the_excess() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"content-length", b"4"), method=b"POST"), None)
        await client.upload(stream_id, b"good")
        sink = await recorder.sink()
        await eventually(lambda: sink.content == b"good")
        await client.upload(stream_id, b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert await client.was_reset(stream_id) == MESSAGE_ERROR
        await sink.lost()
        assert sink.content == b"good"
        assert sink.trailers is None
        assert (await client.was_stopped(stream_id)) == MESSAGE_ERROR


@on_every_loop
async def test_body_shorter_than_its_content_length_resets_the_stream() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"content-length", b"40"), method=b"POST"), None)
        sink = await recorder.sink()
        await client.upload(stream_id, b"too little", end=True)
        assert await client.was_reset(stream_id) == MESSAGE_ERROR
        await sink.lost()
        assert sink.trailers is None


@on_every_loop
async def test_malformed_trailers_reset_the_stream() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        for number, trailer in enumerate([(b":path", b"/"), (b"a", b"\xc2\xa0\x01")]):
            stream_id = await client.ask(POST, None)
            sink = await recorder.sink(number)
            await client.end(stream_id, [trailer])
            assert await client.was_reset(stream_id) == MESSAGE_ERROR
            await sink.lost()


@on_every_loop
async def test_cancelled_requests_reset_their_sinks_and_others_continue() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        early = await client.ask(POST, None)
        late = await client.ask()
        sinks = [await recorder.sink(0), await recorder.sink(1)]
        sinks[1].stream.head(200, [])
        sinks[1].stream.body(b"the beginning")
        await client.head(late)
        await client.cancel(early)
        await client.cancel(late)
        for sink in sinks:
            await sink.lost()
            sink.stream.body(b"nobody listens")
            sink.stream.consumed(1)
            sink.stream.stop_reading()
            sink.stream.end()
        another = await client.ask()
        (await recorder.sink(2)).answer()
        assert (await client.answer(another)).status == 200
        assert [sink.was_reset for sink in sinks] == [True, True]


@on_every_loop
async def test_stop_sending_of_the_client_resets_the_sink_and_the_stream() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        sink = await recorder.sink()
        client.quic.stop_stream(stream_id, CANCELLED)
        client.transmit()
        await sink.lost()
        assert await client.was_reset(stream_id) == CANCELLED


@on_every_loop
async def test_end_of_the_connection_resets_the_sinks() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        await client.ask()
        await client.ask(POST, None)
        sinks = [await recorder.sink(0), await recorder.sink(1)]
        client.close(0x100)
        for sink in sinks:
            await sink.lost()


@pytest.mark.parametrize("is_known", [False, True])
@on_every_loop
async def test_rest_of_an_upload_is_discarded_and_stopped_above_a_limit(is_known: bool) -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        fields = [(b"content-length", b"200000000")] if is_known else []
        stream_id = await client.ask(get("/", *fields, method=b"POST"), None)
        sink = await recorder.sink()
        sink.is_slow = True
        await client.upload(stream_id, b"the beginning")
        await eventually(lambda: len(sink.content) == 13)
        with pytest.MonkeyPatch.context() as patch:
            if not is_known:
                patch.setattr(http3_connection, "_LINGER_BYTES", 1_000_000)
            sink.stream.stop_reading()
            sink.stream.head(200, [])
            sink.stream.body(b"enough")
            if not is_known:
                await client.upload(stream_id, bytes(1_000_000))
                assert stream_id not in client.stopped
                client.http.send_data(stream_id, b"the last straw", end_stream=False)
                client.transmit()
            assert await client.was_stopped(stream_id) == 0x100  # H3_NO_ERROR
        sink.stream.consumed(13)
        sink.stream.end()
        answer = await client.answer(stream_id)
        assert (answer.reset, bytes(answer.body)) == (None, b"enough")
        (connection,) = front.http3.endpoints[0].connections
        await eventually(lambda: not connection.state.has_requests)
        assert not connection.state._held
        assert not sink.was_reset
        assert sink.trailers is None


@on_every_loop
async def test_idle_upload_is_stopped_after_the_response() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3_connection, "_LINGER_S", 0.3)
        async with serving_http3(recorder) as front:
            client = await front.client()
            silent, other = await client.ask(POST, None), await client.ask(POST, None)
            for number in range(2):
                sink = await recorder.sink(number)
                sink.answer(b"enough")
                sink.stream.stop_reading()
            while silent not in client.stopped:
                await client.upload(other, b"more")
                await turn()
            assert client.stopped[silent] == 0x100  # H3_NO_ERROR
            assert await client.was_stopped(other) == 0x100
            assert bytes((await client.answer(silent)).body) == b"enough"


@on_every_loop
async def test_client_that_resets_its_discarded_upload_still_gets_the_response() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        sink = await recorder.sink()
        sink.stream.head(413, [])
        sink.stream.stop_reading()
        await client.head(stream_id)
        client.quic.reset_stream(stream_id, 0x100)
        client.transmit()
        await client.ping()
        sink.stream.body(b"too large")
        sink.stream.end()
        assert bytes((await client.answer(stream_id)).body) == b"too large"
        assert not sink.was_reset


@on_every_loop
async def test_too_many_resets_close_the_connection() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http3_connection, "_RESETS", (20, 0))
            client = await front.client()
        for number in range(21):
            stream_id = await client.ask()
            await recorder.sink(number)
            await client.cancel(stream_id)
        assert await client.ended() == 0x107  # H3_EXCESSIVE_LOAD


@on_every_loop
async def test_three_hundred_requests_on_one_connection_are_answered() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        ids = [await client.ask(get(f"/{number}")) for number in range(300)]
        for number, stream_id in enumerate(ids):
            answer = await client.answer(stream_id)
            assert bytes(answer.body) == b"GET /%d" % number


@on_every_loop
async def test_extended_connect_passes_data_in_both_directions() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(websocket("/chat"), None)
        sink = await recorder.sink()
        assert (sink.head.protocol, sink.head.path) == (b"websocket", b"/chat")
        sink.stream.head(200, [])
        await client.upload(stream_id, b"ping")
        await eventually(lambda: sink.content == b"ping")
        sink.stream.body(b"pong")
        assert await client.body(stream_id, 4) == b"pong"


@on_every_loop
async def test_webtransport_is_rejected() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        stream_id = client.http.create_webtransport_stream(0)
        client.quic.send_stream_data(stream_id, b"anything")
        client.transmit()
        assert await client.was_stopped(stream_id) == 0x10B  # H3_REQUEST_REJECTED
        assert (await client.fetch()).status == 200
