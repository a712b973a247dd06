"""HTTP/2 connections between a client and a handler."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import HeadersFrame

from httpprocessproxy.frontends.http2.settings import MAX_STREAMS, STREAM_WINDOW_BYTES
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingHandler
from test.frontends.fronts import begun, serving_http2
from test.frontends.http2_client import Fields, get, websocket
from test.loops import eventually, on_every_loop

# Requests


@on_every_loop
async def test_request_reaches_the_handler_and_its_response_the_client() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
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
async def test_body_and_trailers_pass_in_both_directions() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
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
async def test_interim_responses_precede_the_final_one() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        seen.stream.interim(103, [(b"link", b"</a>")])
        seen.stream.interim(103, [(b"link", b"</b>")])
        seen.answer()
        answer = await client.answer(stream_id)
        links = [(b"link", b"</a>")], [(b"link", b"</b>")]
        assert answer.interim == [[(b":status", b"103"), *link] for link in links]
        assert answer.status == 200


@on_every_loop
async def test_response_to_head_keeps_its_content_length() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"HEAD"))
        seen.stream.head(200, [(b"content-length", b"5")])
        seen.stream.end()
        answer = await client.answer(stream_id)
        assert (answer.all(b"content-length"), bytes(answer.body)) == ([b"5"], b"")


@on_every_loop
async def test_connection_specific_fields_and_alt_svc_of_a_response_are_removed() -> None:
    """RFC 9113 section 8.2.2."""
    handler = RecordingHandler()
    async with serving_http2(handler, alt_svc=b'h3=":1"; ma=3600') as front:
        client, stream_id, seen = await begun(front, handler, get())
        connection = [(b"connection", b"x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"x")]
        seen.stream.head(200, [*connection, (b"alt-svc", b'h3=":9"'), (b"x", b"y")])
        seen.stream.end()
        answer = await client.answer(stream_id)
        alt_svc = (b"alt-svc", b'h3=":1"; ma=3600')
        assert answer.fields == [(b":status", b"200"), (b"x", b"y"), alt_svc]


@on_every_loop
async def test_extended_connect_passes_data_in_both_directions() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
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
async def test_malformed_request_gets_an_error_and_others_continue(
    fields: Fields, status: int
) -> None:
    """RFC 9113 section 8.1.1: a stream error."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, good = await begun(front, handler, get())
        assert (await client.fetch(fields)).status == status
        # with an unfinished body, which is not read
        refused = await client.ask(fields, None)
        assert (await client.answer(refused)).status == status
        while client.answers[refused].reset is None:
            assert await client.more()
        assert client.answers[refused].reset == ErrorCodes.NO_ERROR
        good.answer()
        assert (await client.answer(stream_id)).body == b"ok"
        assert len(handler.sinks) == 1


@on_every_loop
async def test_malformed_trailers_reset_the_stream() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get(method=b"POST"), None)
        await client.end(stream_id, [(b"A", b"b")])
        assert await client.was_reset(stream_id) == ErrorCodes.PROTOCOL_ERROR
        assert seen.was_reset
        assert not seen.has_ended


@on_every_loop
async def test_body_longer_than_its_content_length_closes_the_connection() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
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
async def test_sink_resets_a_response_with_the_code_of_its_reason(
    why: StreamReset, code: ErrorCodes
) -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        seen.stream.head(200, [(b"content-length", b"100")])
        seen.stream.body(b"some")
        assert await client.body(stream_id, 4) == b"some"
        seen.stream.reset(why)
        assert await client.was_reset(stream_id) == code
        assert not seen.was_reset, "the sink itself has reset the stream"


@on_every_loop
async def test_cancelled_request_resets_its_sink_and_others_continue() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, stream_id, seen = await begun(front, handler, get())
        await client.cancel(stream_id)
        await eventually(lambda: seen.was_reset)
        seen.stream.body(b"too late")  # a call after the reset does nothing
        other = await client.ask()
        (await handler.sink(1)).answer()
        assert (await client.answer(other)).status == 200


@on_every_loop
async def test_disconnect_resets_the_sink() -> None:
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client, _, seen = await begun(front, handler, get())
        client.close()
        await eventually(lambda: seen.was_reset)
        await eventually(lambda: not front.connections)


@on_every_loop
async def test_early_response_is_complete_before_the_upload_is_stopped() -> None:
    """RFC 9113 section 8.1: RST_STREAM with NO_ERROR follows a complete response."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
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
async def test_discarded_bodies_do_not_use_up_the_window_of_the_connection() -> None:
    handler = RecordingHandler(is_slow=True)
    async with serving_http2(handler) as front:
        client = await front.client()
        for number in range(200):
            stream_id = await client.ask(get(method=b"POST"), None)
            await client.upload(stream_id, b"x" * STREAM_WINDOW_BYTES)
            seen = await handler.sink(number)
            seen.stream.reset(StreamReset.CANCELLED)
            await client.was_reset(stream_id)


# Concurrent requests


@on_every_loop
async def test_requests_beyond_the_limit_are_refused_and_the_rest_answered() -> None:
    """RFC 9113 section 5.1.2: also before the client has read the server's SETTINGS."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        asked = [await client.ask() for _ in range(MAX_STREAMS + 5)]
        for stream_id in asked[MAX_STREAMS:]:
            assert await client.was_reset(stream_id) == ErrorCodes.REFUSED_STREAM
        for seen in handler.sinks:
            seen.answer()
        for stream_id in asked[:MAX_STREAMS]:
            assert (await client.answer(stream_id)).status == 200


@on_every_loop
async def test_requests_and_their_resets_in_one_read_reach_the_sinks() -> None:
    """A single read may contain a request, its reset, and the next request."""
    handler = RecordingHandler()
    async with serving_http2(handler) as front:
        client = await front.client()
        for _ in range(3):
            stream_id = client.state.get_next_available_stream_id()
            client.state.send_headers(stream_id, get(method=b"POST"))
            client.state.send_data(stream_id, b"some")
            await client.cancel(stream_id)
        seen = await handler.sink(2)
        await eventually(lambda: seen.was_reset)
        assert [seen.content for seen in handler.sinks] == [b"some"] * 3
        frame = HeadersFrame(1, client.state.encoder.encode(get()), flags=["END_HEADERS"])
        await client.write(frame.serialize())
        assert await client.more()  # the server responds to the reused stream ID
