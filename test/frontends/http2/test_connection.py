"""A client of HTTP/2, and whoever answers its requests."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import HeadersFrame

from httpprocessproxy.frontends.http2.settings import MAX_STREAMS, STREAM_WINDOW_BYTES
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import begun, ending_http2
from test.frontends.http2_client import Fields, get, websocket
from test.loops import eventually, on_every_loop

# Requests


@on_every_loop
async def test_a_request_and_its_response() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get("/a?b", (b"accept", b"x")))
        assert (seen.head.version, seen.head.method, seen.head.path) == ("2", b"GET", b"/a?b")
        assert (seen.head.authority, seen.head.fields) == (b"localhost", [(b"accept", b"x")])
        assert seen.head.client[0] == "127.0.0.1"
        assert seen.head.server == ("127.0.0.1", front.port)
        assert seen.has_ended
        seen.answer(b"hello")
        answer = await client.answer(stream_id)
        assert (answer.status, bytes(answer.body)) == (200, b"hello")
        assert answer.all(b"content-length") == [b"5"]


@on_every_loop
async def test_a_body_and_trailers_both_ways() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"POST"), None)
        await client.upload(stream_id, b"question")
        await eventually(lambda: seen.content == b"question")
        assert not seen.has_ended
        await client.end(stream_id, [(b"x-sum", b"1")])
        await eventually(lambda: seen.has_ended)
        assert seen.trailers == [(b"x-sum", b"1")]
        seen.stream.head(200, [])
        seen.stream.body(b"ans")
        seen.stream.body(b"wer")
        seen.stream.end([(b"x-sum", b"2")])
        answer = await client.answer(stream_id)
        assert (bytes(answer.body), answer.trailers) == (b"answer", [(b"x-sum", b"2")])


@on_every_loop
async def test_interim_responses() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        seen.stream.interim(103, [(b"link", b"</a>")])
        seen.stream.interim(103, [(b"link", b"</b>")])
        seen.answer()
        answer = await client.answer(stream_id)
        links = [(b"link", b"</a>")], [(b"link", b"</b>")]
        assert answer.interim == [[(b":status", b"103"), *link] for link in links]
        assert answer.status == 200


@on_every_loop
async def test_a_response_without_a_body_is_one_frame() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"HEAD"))
        seen.stream.head(200, [(b"content-length", b"5")])
        seen.stream.end()
        answer = await client.answer(stream_id)
        assert (answer.all(b"content-length"), bytes(answer.body)) == ([b"5"], b"")


@on_every_loop
async def test_fields_of_a_connection_do_not_pass() -> None:
    """RFC 9113 section 8.2.2."""
    handler = RecordingHandler()
    async with ending_http2(handler, alt_svc=b'h3=":1"; ma=3600') as front:
        client, stream_id, seen = await begun(front, handler, get())
        connection = [(b"connection", b"x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"x")]
        seen.stream.head(200, [*connection, (b"alt-svc", b'h3=":9"'), (b"x", b"y")])
        seen.stream.end()
        answer = await client.answer(stream_id)
        alt_svc = (b"alt-svc", b'h3=":1"; ma=3600')
        assert answer.fields == [(b":status", b"200"), (b"x", b"y"), alt_svc]


@on_every_loop
async def test_an_extended_connect() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, websocket("/chat"), None)
        assert (seen.head.protocol, seen.head.path) == (b"websocket", b"/chat")
        seen.stream.head(200, [])
        await client.upload(stream_id, b"ping")
        await eventually(lambda: seen.content == b"ping")
        seen.stream.body(b"pong")
        assert await client.body(stream_id, 4) == b"pong"
        seen.stream.end()
        await client.answer(stream_id)
        await client.upload(stream_id, b"", end=True)
        await eventually(lambda: seen.has_ended)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (get("/a b"), 400),
        (get("/", (b"Upper", b"x")), 400),
        (get("/", (b"connection", b"close")), 400),
        (get("/", (b"x", b"a\r\nb")), 400),
        (get("/", *[(b"x", b"y" * 1000)] * 70), 431),
        ([(b":method", b"CONNECT"), (b":authority", b"a:1")], 405),
        (get()[:3], 400),
    ],
)
@on_every_loop
async def test_what_is_no_request_harms_no_other(fields: Fields, status: int) -> None:
    """RFC 9113 section 8.1.1: an error of the stream."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, good = await begun(front, handler, get())
        assert (await client.fetch(fields)).status == status
        # with a body, which nobody reads
        refused = await client.ask(fields, None)
        assert (await client.answer(refused)).status == status
        while client.answers[refused].reset is None:
            assert await client.more()
        assert client.answers[refused].reset == ErrorCodes.NO_ERROR
        good.answer()
        assert (await client.answer(stream_id)).body == b"ok"
        assert len(handler.visits) == 1


@on_every_loop
async def test_trailers_that_are_none_end_the_request() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"POST"), None)
        await client.end(stream_id, [(b"A", b"b")])
        assert await client.was_reset(stream_id) == ErrorCodes.PROTOCOL_ERROR
        assert seen.was_reset
        assert not seen.has_ended


@on_every_loop
async def test_a_body_of_another_length_than_was_said() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        length = (b"content-length", b"5")
        asked = get("/", length, method=b"POST")
        client, stream_id, seen = await begun(front, handler, asked, None)
        await client.upload(stream_id, b"toolong")
        goodbye = await client.ended()
        assert goodbye is not None
        assert goodbye.error_code == ErrorCodes.PROTOCOL_ERROR
        assert seen.was_reset


# Ends


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (StreamReset.INTERNAL, ErrorCodes.INTERNAL_ERROR),
        (StreamReset.CANCELLED, ErrorCodes.CANCEL),
        (StreamReset.REFUSED, ErrorCodes.REFUSED_STREAM),
    ],
)
@on_every_loop
async def test_a_response_that_cannot_be_completed(why: StreamReset, code: ErrorCodes) -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        seen.stream.head(200, [(b"content-length", b"100")])
        seen.stream.body(b"some")
        assert await client.body(stream_id, 4) == b"some"
        seen.stream.reset(why)
        assert await client.was_reset(stream_id) == code
        assert not seen.was_reset, "who resets is not told"


@on_every_loop
async def test_a_client_that_gives_up() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        await client.cancel(stream_id)
        await eventually(lambda: seen.was_reset)
        seen.stream.body(b"too late")  # it may have been on its way
        other = await client.ask()
        (await handler.visit(1)).answer()
        assert (await client.answer(other)).status == 200


@on_every_loop
async def test_a_client_that_is_gone() -> None:
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        client.close()
        await eventually(lambda: seen.was_reset)
        await eventually(lambda: not front.connections)


@on_every_loop
async def test_a_response_before_the_end_of_the_request() -> None:
    """RFC 9113 section 8.1: the answer is whole, and then the rest is not wanted."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"POST"), None)
        seen.answer(b"enough")
        assert (await client.answer(stream_id)).body == b"enough"
        await client.upload(stream_id, b"more")
        await eventually(lambda: seen.content == b"more")
        seen.stream.stop_reading()
        while client.answers[stream_id].reset is None:
            assert await client.more()
        assert client.answers[stream_id].reset == ErrorCodes.NO_ERROR
        assert not seen.was_reset


@on_every_loop
async def test_a_body_that_nobody_wants_does_not_use_up_the_window() -> None:
    handler = RecordingHandler(is_slow=True)
    async with ending_http2(handler) as front:
        client = await front.client()
        for number in range(200):
            stream_id = await client.ask(get(method=b"POST"), None)
            await client.upload(stream_id, b"x" * STREAM_WINDOW_BYTES)
            seen = await handler.visit(number)
            seen.stream.reset(StreamReset.CANCELLED)
            await client.was_reset(stream_id)


# More at a time than is allowed


@on_every_loop
async def test_requests_beyond_the_limit_are_refused_and_the_rest_answered() -> None:
    """RFC 9113 section 5.1.2: even before our settings have been read."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        asked = [await client.ask() for _ in range(MAX_STREAMS + 5)]
        for stream_id in asked[MAX_STREAMS:]:
            assert await client.was_reset(stream_id) == ErrorCodes.REFUSED_STREAM
        for seen in handler.visits:
            seen.answer()
        for stream_id in asked[:MAX_STREAMS]:
            assert (await client.answer(stream_id)).status == 200


@on_every_loop
async def test_a_request_that_ends_where_it_begins() -> None:
    """What is read at one go may hold a request, its end, and the next."""
    handler = RecordingHandler()
    async with ending_http2(handler) as front:
        client = await front.client()
        for _ in range(3):
            stream_id = client.state.get_next_available_stream_id()
            client.state.send_headers(stream_id, get(method=b"POST"))
            client.state.send_data(stream_id, b"some")
            await client.cancel(stream_id)
        seen = await handler.visit(2)
        await eventually(lambda: seen.was_reset)
        assert [seen.content for seen in handler.visits] == [b"some"] * 3
        frame = HeadersFrame(1, client.state.encoder.encode(get()), flags=["END_HEADERS"])
        await client.write(frame.serialize())
        assert await client.more()  # a reset, or the end: not silence
