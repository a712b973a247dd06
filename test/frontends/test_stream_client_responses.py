"""Responses on streams, for any split into reads; broken ones give 502, or reset the stream."""

import pytest

from httpprocessproxy.frontends.streams import Fields, StreamReset
from test.fakes import OK
from test.frontends.stream_clients import asked, streaming
from test.loops import eventually, on_every_loop, turn

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\n" + CHUNKED


@pytest.mark.parametrize(
    ("method", "response", "status", "content", "is_kept"),
    [
        (b"GET", b"200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", True),
        (b"GET", b"200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
        (b"GET", b"200 OK\r\n" + CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, b"abc", True),
        # A body that a backend wrongly sends to HEAD would be read as the next response.
        (b"HEAD", b"200 OK\r\nContent-Length: 3\r\n\r\n", 200, b"", False),
        (b"HEAD", b"200 OK\r\n" + CHUNKED, 200, b"", False),
        (b"GET", b"204 No Content\r\n\r\n", 204, b"", True),
        (b"GET", b"304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, b"", True),
        (
            b"GET",
            b"200 OK\r\nConnection: Close\r\nContent-Length: 3\r\n\r\nabc",
            200,
            b"abc",
            False,
        ),
    ],
)
@on_every_loop
async def test_response_ends_by_its_framing(
    method: bytes, response: bytes, status: int, content: bytes, is_kept: bool
) -> None:
    raw = b"HTTP/1.1 " + response
    for cut in {1, 9, len(raw) // 2, raw.index(b"\r\n\r\n") + 2, len(raw) - 1, len(raw)}:
        async with streaming() as streams:
            _, stream = streams.get(asked(method))
            peer, _ = await streams.backend.take()
            await peer.send(raw[:cut])
            await turn()
            assert not stream.has_ended or cut == len(raw)
            if cut < len(raw):
                await peer.send(raw[cut:])
            await eventually(lambda: stream.has_ended)  # noqa: B023
            assert (stream.status, bytes(stream.content)) == (status, content)
            assert stream.is_reading
            if is_kept:
                streams.get()
                await peer.request()
            else:
                assert await peer.rest() == b""


@on_every_loop
async def test_body_without_framing_ends_with_its_connection() -> None:
    async with streaming() as streams:
        _, stream = streams.get()
        peer, _ = await streams.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        peer.close()
        await eventually(lambda: stream.has_ended)
        assert bytes(stream.content) == b"abc"


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ([b"X-A: b", b"Set-Cookie: c=d"], [(b"x-a", b"b"), (b"set-cookie", b"c=d")]),
        ([b"Keep-Alive: timeout=5", b"Connection: keep-alive", b"Proxy-Connection: x"], []),
        ([b"Upgrade: h2c", b"X: \xff"], [(b"x", b"\xff")]),
        ([b"Connection: X-Hop", b"X-Hop: 1", b'Alt-Svc: h3=":1"'], []),
    ],
)
@on_every_loop
async def test_response_fields_are_lower_case_without_connection_specific_ones(
    lines: list[bytes], fields: Fields
) -> None:
    async with streaming(trusted=()) as streams:
        _, stream = streams.get()
        peer, _ = await streams.backend.take()
        head = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: 0", b"", b""])
        await peer.send(head)
        await eventually(lambda: stream.has_ended)
        assert list(stream.fields) == [*fields, (b"content-length", b"0")]


@on_every_loop
async def test_too_large_trailers_reset_the_stream() -> None:
    async with streaming() as streams:
        _, stream = streams.get(asked(b"POST"))
        peer, _ = await streams.backend.take()
        await peer.send(CHUNKED_HEAD, b"3\r\nabc\r\n")
        await eventually(lambda: bytes(stream.content) == b"abc")
        await peer.send(b"0\r\nX: " + b"y" * 20_000)
        await eventually(lambda: stream.why is StreamReset.INTERNAL)


@on_every_loop
async def test_interim_responses_and_trailers_are_passed_on() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", [(b"expect", b"100-continue")]))
        peer = await streams.backend.accept()
        assert (await peer.head()).get(b"Expect") == b"100-continue"
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: </a>\r\n\r\n")
        await eventually(lambda: len(stream.interims) == 2)
        interims = [(status, list(fields)) for status, fields in stream.interims]
        assert interims == [(100, []), (103, [(b"link", b"</a>")])]
        client.body(b"abc")
        client.end()
        await peer.send(CHUNKED_HEAD, b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
        await eventually(lambda: stream.has_ended)
        assert (bytes(stream.content), stream.trailers) == (b"ok", [(b"x-sum", b"1")])


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"


@pytest.mark.parametrize(
    ("response", "way", "status"),
    [
        (b"", "close", 502),
        (b"", "reset", 502),
        (b"HTTP/1.1 20", "close", 502),
        (b"HTTP/2 200\r\n\r\n", "wait", 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "wait", 502),
        (b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "wait", 502),
        (CHUNKED_HEAD + b"x\r\n", "wait", 502),
        (CHUNKED_HEAD + b"3\r\nabcdef\r\n", "wait", 502),
        (BROKEN, "close", None),
        (BROKEN, "reset", None),
        (CHUNKED_HEAD + b"3\r\nabc\r\n", "close", None),
        (CHUNKED_HEAD + b"3\r\nabc\r\n|x\r\n", "wait", None),
    ],
)
@on_every_loop
async def test_broken_response_gives_502_or_resets_a_stream_that_has_its_head(
    response: bytes, way: str, status: int | None
) -> None:
    async with streaming() as streams:
        _, stream = streams.get(asked(b"POST"))
        peer, _ = await streams.backend.take()
        first, _, rest = response.partition(b"|")
        await peer.send(first)
        if status is None:
            await eventually(lambda: bytes(stream.content) == b"abc")
            await peer.send(rest)
        if way != "wait":
            peer.close() if way == "close" else peer.reset()
        if status is None:
            await eventually(lambda: stream.why is StreamReset.INTERNAL)
            assert not stream.has_ended
        else:
            await eventually(lambda: stream.has_ended)
            assert stream.status == status
        if way == "wait":
            assert await peer.rest() == b""


# Responses before the end of the request


@on_every_loop
async def test_rest_of_the_request_is_passed_on_after_an_early_response() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST"))
        peer = await streams.backend.accept()
        await peer.head()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        client.body(b"abc")
        assert await peer.until(b"abc") == b"3\r\n"
        assert (stream.is_reading, stream.consumed_bytes) == (True, 3)
        client.end()
        await peer.until(b"0\r\n\r\n")
        streams.get()  # on the same connection
        assert (await peer.request()).method == b"GET"


@on_every_loop
async def test_request_whose_content_length_is_complete_is_stopped_after_an_early_response() -> (
    None
):
    """The end of the stream may still come: it is not needed."""
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", [(b"content-length", b"3")]))
        peer = await streams.backend.accept()
        await peer.head()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        client.body(b"abc")
        await peer.exactly(3)
        assert not streams.bench.proxy_server.context.clients
        client.end()
        assert stream.why is None


@pytest.mark.parametrize("announced", [True, False])
@on_every_loop
async def test_request_is_stopped_when_the_backend_closes_after_a_response(
    announced: bool,
) -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST"))
        peer = await streams.backend.accept()
        await peer.head()
        option = b"Connection: close\r\n" if announced else b""
        await peer.send(b"HTTP/1.1 413 X\r\n%bContent-Length: 2\r\n\r\nno" % option)
        await eventually(lambda: stream.has_ended)
        if not announced:
            peer.close()
        await eventually(lambda: not stream.is_reading)
        assert stream.why is None
        client.body(b"late")  # received before the stream was stopped
        client.end()
        assert (stream.status, bytes(stream.content)) == (413, b"no")


@on_every_loop
async def test_restart_after_an_early_response_ends_the_upload() -> None:
    async with streaming() as streams:
        _, stream = streams.begin(asked(b"POST"))
        peer = await streams.backend.accept()
        await peer.head()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        streams.bench.stop()
        assert (stream.is_reading, stream.why) == (False, None)
