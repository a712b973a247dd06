"""Requests over HTTP/3: what of them reaches a visit, and what ends a stream, or a connection."""

import pytest

from httpprocessproxy.frontends.http3 import connection as http3_connection
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http2_client import Fields, get, websocket
from test.frontends.http3_fronts import ending_http3
from test.loops import eventually, on_every_loop, turn

MESSAGE_ERROR = 0x10E
CANCELLED = 0x10C

POST = get("/", method=b"POST")


@on_every_loop
async def test_a_request_arrives_as_it_was_sent() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        cookies = (b"cookie", b"a=1"), (b"cookie", b"b")
        await client.ask(get("/a?b=%20c", (b"accept", b"*/*"), *cookies))
        visit = await recorder.visit()
        head = visit.head
        assert (head.version, head.method, head.authority) == ("3", b"GET", b"localhost")
        assert (head.path, head.protocol) == (b"/a?b=%20c", None)
        assert head.fields == [(b"accept", b"*/*"), (b"cookie", b"a=1; b")]
        assert head.server == ("127.0.0.1", front.port)
        assert client._transport is not None
        assert head.client == client._transport.get_extra_info("sockname")
        assert await visit.ended() == ()


@on_every_loop
async def test_a_body_and_trailers_go_both_ways() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"te", b"trailers"), method=b"POST"), None)
        visit = await recorder.visit()
        await client.upload(stream_id, b"some")
        await eventually(lambda: visit.content == b"some")
        await client.upload(stream_id, b"more")
        await client.end(stream_id, [(b"sum", b"8")])
        assert await visit.ended() == [(b"sum", b"8")]
        visit.stream.interim(103, [(b"link", b"</a.css>")])
        visit.stream.head(200, [(b"a", b"b"), (b"connection", b"close"), (b"alt-svc", b"h3")])
        visit.stream.body(b"what you ")
        visit.stream.body(b"said")
        visit.stream.end([(b"sum", b"13")])
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
    ("a path that is none", get("nowhere"), 400),
    ("an unknown pseudo-header", [(b":color", b"red"), *get()], 400),
    ("a pseudo-header twice", [*get(), (b":path", b"/")], 400),
    ("a pseudo-header behind a field", [(b"a", b"b"), *get()], 400),
    ("an upper-case name", get("/", (b"Accept", b"*/*")), 400),
    ("a name with a space", get("/", (b"a b", b"c")), 400),
    ("a line break in a value", get("/", (b"a", b"b\r\nc: d")), 400),
    ("connection", get("/", (b"connection", b"close")), 400),
    ("transfer-encoding", get("/", (b"transfer-encoding", b"chunked")), 400),
    ("te", get("/", (b"te", b"gzip")), 400),
    ("a length that is none", get("/", (b"content-length", b"+0")), 400),
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
async def test_a_malformed_request_is_answered_and_others_go_on(
    fields: Fields, status: int
) -> None:
    async with ending_http3(answering) as front:
        client = await front.client()
        assert (await client.fetch(fields)).status == status
        assert (await client.fetch()).status == 200


@on_every_loop
async def test_more_data_than_content_length_never_reaches_the_visit() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"content-length", b"4"), method=b"POST"), None)
        await client.upload(stream_id, b"good")
        visit = await recorder.visit()
        await eventually(lambda: visit.content == b"good")
        await client.upload(stream_id, b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert await client.was_reset(stream_id) == MESSAGE_ERROR
        await visit.lost()
        assert visit.content == b"good"
        assert visit.trailers is None
        assert (await client.was_stopped(stream_id)) == MESSAGE_ERROR


@on_every_loop
async def test_less_data_than_content_length_is_no_request() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(get("/", (b"content-length", b"40"), method=b"POST"), None)
        visit = await recorder.visit()
        await client.upload(stream_id, b"too little", end=True)
        assert await client.was_reset(stream_id) == MESSAGE_ERROR
        await visit.lost()
        assert visit.trailers is None


@on_every_loop
async def test_malformed_trailers_end_the_stream() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        for number, trailer in enumerate([(b":path", b"/"), (b"a", b"\xc2\xa0\x01")]):
            stream_id = await client.ask(POST, None)
            visit = await recorder.visit(number)
            await client.end(stream_id, [trailer])
            assert await client.was_reset(stream_id) == MESSAGE_ERROR
            await visit.lost()


@on_every_loop
async def test_a_client_gives_up() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        early = await client.ask(POST, None)
        late = await client.ask()
        visits = [await recorder.visit(0), await recorder.visit(1)]
        visits[1].stream.head(200, [])
        visits[1].stream.body(b"the beginning")
        await client.head(late)
        await client.cancel(early)
        await client.cancel(late)
        for visit in visits:
            await visit.lost()
            visit.stream.body(b"nobody listens")
            visit.stream.consumed(1)
            visit.stream.stop_reading()
            visit.stream.end()
        another = await client.ask()
        (await recorder.visit(2)).answer()
        assert (await client.answer(another)).status == 200
        assert [visit.was_reset for visit in visits] == [True, True]


@on_every_loop
async def test_a_client_that_does_not_want_the_response_stops_it() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask()
        visit = await recorder.visit()
        client.quic.stop_stream(stream_id, CANCELLED)
        # In the same datagram, data on another stream: its visit answers before the event comes.
        client.transmit()
        await visit.lost()
        assert await client.was_reset(stream_id) == CANCELLED


@on_every_loop
async def test_visits_end_with_their_connection() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        await client.ask()
        await client.ask(POST, None)
        visits = [await recorder.visit(0), await recorder.visit(1)]
        client.close(0x100)
        for visit in visits:
            await visit.lost()


@pytest.mark.parametrize("is_known", [False, True])
@on_every_loop
async def test_what_nobody_wants_is_dropped_and_too_much_of_it_stopped(is_known: bool) -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        fields = [(b"content-length", b"200000000")] if is_known else []
        stream_id = await client.ask(get("/", *fields, method=b"POST"), None)
        visit = await recorder.visit()
        visit.is_slow = True
        await client.upload(stream_id, b"the beginning")
        await eventually(lambda: len(visit.content) == 13)
        with pytest.MonkeyPatch.context() as patch:
            if not is_known:
                patch.setattr(http3_connection, "_LINGER_BYTES", 1_000_000)
            visit.stream.stop_reading()
            visit.stream.head(200, [])
            visit.stream.body(b"enough")
            if not is_known:
                await client.upload(stream_id, bytes(1_000_000))
                assert stream_id not in client.stopped
                client.http.send_data(stream_id, b"the last straw", end_stream=False)
                client.transmit()
            assert await client.was_stopped(stream_id) == 0x100  # H3_NO_ERROR
        visit.stream.consumed(13)
        visit.stream.end()
        answer = await client.answer(stream_id)
        assert (answer.reset, bytes(answer.body)) == (None, b"enough")
        (connection,) = front.http3.endpoints[0].connections
        await eventually(lambda: not connection.state.has_requests)
        assert not connection.state._held
        assert not visit.was_reset
        assert visit.trailers is None


@on_every_loop
async def test_a_client_that_sends_nothing_is_stopped() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3_connection, "_LINGER_S", 0.3)
        async with ending_http3(recorder) as front:
            client = await front.client()
            silent, other = await client.ask(POST, None), await client.ask(POST, None)
            for number in range(2):
                visit = await recorder.visit(number)
                visit.answer(b"enough")
                visit.stream.stop_reading()
            while silent not in client.stopped:
                await client.upload(other, b"more")
                await turn()
            assert client.stopped[silent] == 0x100  # H3_NO_ERROR
            assert await client.was_stopped(other) == 0x100
            assert bytes((await client.answer(silent)).body) == b"enough"


@on_every_loop
async def test_a_client_that_stops_by_itself_has_the_response_all_the_same() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(POST, None)
        visit = await recorder.visit()
        visit.stream.head(413, [])
        visit.stream.stop_reading()
        await client.head(stream_id)
        client.quic.reset_stream(stream_id, 0x100)
        client.transmit()
        await client.ping()
        visit.stream.body(b"too large")
        visit.stream.end()
        assert bytes((await client.answer(stream_id)).body) == b"too large"
        assert not visit.was_reset


@on_every_loop
async def test_resets_without_end_end_the_connection() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http3_connection, "_RESETS", (20, 0))
            client = await front.client()
        for number in range(21):
            stream_id = await client.ask()
            await recorder.visit(number)
            await client.cancel(stream_id)
        assert await client.ended() == 0x107  # H3_EXCESSIVE_LOAD


@on_every_loop
async def test_three_hundred_streams_on_one_connection() -> None:
    async with ending_http3(answering) as front:
        client = await front.client()
        ids = [await client.ask(get(f"/{number}")) for number in range(300)]
        for number, stream_id in enumerate(ids):
            answer = await client.answer(stream_id)
            assert bytes(answer.body) == b"GET /%d" % number


@on_every_loop
async def test_a_websocket_is_a_stream_with_data_both_ways() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        stream_id = await client.ask(websocket("/chat"), None)
        visit = await recorder.visit()
        assert (visit.head.protocol, visit.head.path) == (b"websocket", b"/chat")
        visit.stream.head(200, [])
        await client.upload(stream_id, b"ping")
        await eventually(lambda: visit.content == b"ping")
        visit.stream.body(b"pong")
        assert await client.body(stream_id, 4) == b"pong"


@on_every_loop
async def test_webtransport_is_rejected() -> None:
    async with ending_http3(answering) as front:
        client = await front.client()
        stream_id = client.http.create_webtransport_stream(0)
        client.quic.send_stream_data(stream_id, b"anything")
        client.transmit()
        assert await client.was_stopped(stream_id) == 0x10B  # H3_REQUEST_REJECTED
        assert (await client.fetch()).status == 200
