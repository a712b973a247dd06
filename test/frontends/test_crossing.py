"""One request over the bridge: its framing, back-pressure, errors and cancellation."""

import pytest

from httpprocessproxy.frontends.streams import Fields, StreamReset
from test.fakes import OK, Peer
from test.frontends.cores import asked, playing_core
from test.loops import eventually, on_every_loop, turn

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# Framing of a request


@on_every_loop
async def test_request_without_a_body_has_no_framing_fields() -> None:
    async with playing_core() as core:
        _, stream = core.get()
        peer, request = await core.take()
        assert request.first == b"GET / HTTP/1.1"
        assert request.get(b"Host") == b"localhost"
        assert request.get(b"Content-Length") is request.get(b"Transfer-Encoding") is None
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (200, b"ok")


@pytest.mark.parametrize(
    ("fields", "framing"),
    [
        ([(b"content-length", b"6")], (b"6", None)),
        ([], (None, b"chunked")),
    ],
)
@on_every_loop
async def test_body_is_sent_with_its_length_or_in_chunks(
    fields: Fields, framing: tuple[bytes | None, bytes | None]
) -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"POST", fields))
        crossing.body(b"abc")
        peer = await core.accept()
        await peer.until(b"abc")
        crossing.body(b"def")
        crossing.end()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert stream.consumed_bytes == 6
        crossing, stream = core.begin(asked(b"POST", fields))
        crossing.body(b"abc")
        crossing.body(b"def")
        crossing.end()
        request = await (await core.accept()).request()
        assert request.body == b"abcdef"
        assert (request.get(b"Content-Length"), request.get(b"Transfer-Encoding")) == framing


@on_every_loop
async def test_late_body_is_sent_in_chunks() -> None:
    async with playing_core() as core:
        crossing, _ = core.begin(asked(b"GET"))
        peer = await core.accept()
        request = await peer.head()
        assert request.get(b"Transfer-Encoding") == b"chunked"
        crossing.end()
        assert await peer.until(b"\r\n\r\n") == b"0"


@on_every_loop
async def test_trailers_of_a_request_are_sent() -> None:
    async with playing_core() as core:
        crossing, _ = core.begin(asked(b"POST", [(b"te", b"trailers")]))
        crossing.body(b"abc")
        crossing.end([(b"x-sum", b"1")])
        peer = await core.accept()
        assert (await peer.head()).get(b"TE") == b"trailers"
        assert await peer.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nx-sum: 1"


@pytest.mark.parametrize("body", [b"ab", b"abcd"])
@on_every_loop
async def test_body_that_differs_from_its_content_length_resets_the_stream(body: bytes) -> None:
    """The core would read the excess as the next request."""
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"POST", [(b"content-length", b"3")]))
        crossing.body(body)
        if stream.why is None:
            crossing.end()
        assert stream.why is StreamReset.INTERNAL
        crossing.body(b"and more")
        crossing.end()
        peer = await core.accept()
        await turn()
        core.get(asked(path=b"/next"))
        assert (await peer.request()).target == b"/next"


@on_every_loop
async def test_invalid_request_is_refused_without_a_connection() -> None:
    async with playing_core() as core:
        for fields in ([(b"content-length", b"1"), (b"content-length", b"2")], [(b"a", b"b\r\nc")]):
            _, stream = core.get(asked(b"POST", fields))
            assert stream.status == 400
            assert not stream.is_reading
        _, stream = core.get(asked(b"CONNECT", protocol=b"connect-udp"))
        assert stream.status == 501


# Back-pressure


@on_every_loop
async def test_core_that_does_not_read_stops_the_upload() -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"POST"))
        sent = 0
        peer: Peer | None = None
        idle = 0
        while idle < 30:
            if sent - stream.consumed_bytes < 256 * 1024:
                crossing.body(b"x" * 16_384)
                sent += 16_384
                idle = 0
            peer = peer or await core.accept()
            idle += 1
            await turn()
        assert stream.consumed_bytes < sent < 4 * 2**20
        crossing.end()
        assert peer is not None
        request = await peer.request()
        assert request.body == b"x" * sent
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert stream.consumed_bytes == sent


@on_every_loop
async def test_paused_client_stops_the_response() -> None:
    async with playing_core() as core:
        crossing, stream = core.get()
        peer, _ = await core.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        await eventually(lambda: stream.status == 200)
        crossing.pause()
        before = len(stream.content)
        await peer.send_until_stuck(b"x" * 65_536)
        assert len(stream.content) == before
        crossing.resume()
        await eventually(lambda: len(stream.content) > before)


# Responses


@on_every_loop
async def test_interim_responses_and_trailers_are_passed_on() -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"POST", [(b"expect", b"100-continue")]))
        peer = await core.accept()
        assert (await peer.head()).get(b"Expect") == b"100-continue"
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: </a>\r\n\r\n")
        await eventually(lambda: len(stream.interims) == 2)
        assert stream.interims == [(100, []), (103, [(b"link", b"</a>")])]
        crossing.body(b"abc")
        crossing.end()
        await peer.send(CHUNKED, b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
        await eventually(lambda: stream.has_ended)
        assert (bytes(stream.content), stream.trailers) == (b"ok", [(b"x-sum", b"1")])


@pytest.mark.parametrize(
    ("response", "way"),
    [
        (b"", "close"),
        (b"", "reset"),
        (b"HTTP/1.1 20", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "reset"),
        (CHUNKED + b"3\r\nabc\r\n", "close"),
        (CHUNKED + b"3\r\nabcdef\r\n", "wait"),
        (CHUNKED + b"x\r\n", "wait"),
        (b"HTTP/2 200\r\n\r\n", "wait"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "wait"),
        (b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "wait"),
    ],
)
@on_every_loop
async def test_incomplete_or_invalid_response_resets_the_stream(response: bytes, way: str) -> None:
    async with playing_core() as core:
        _, stream = core.get()
        peer, _ = await core.take()
        await peer.send(response)
        if way != "wait":
            await eventually(lambda: b"abc" in stream.content or b"abc" not in response)
            peer.close() if way == "close" else peer.reset()
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
        assert not stream.has_ended
        if way == "wait":
            assert await peer.rest() == b""


@on_every_loop
async def test_reset_closes_the_connection_to_the_core() -> None:
    async with playing_core() as core:
        crossing, stream = core.get()
        peer, _ = await core.take()
        crossing.reset()
        assert await peer.rest() == b""
        assert not stream.is_over


@on_every_loop
async def test_connection_of_a_request_reset_before_it_opened_is_kept() -> None:
    async with playing_core() as core:
        crossing, stream = core.get()
        crossing.reset()
        peer = await core.accept()
        _, other = core.begin(asked(b"POST"))
        crossing, third = core.begin()
        crossing.reset()
        second = await core.accept()
        assert (await second.head()).method == b"POST"
        assert not stream.is_over
        assert not third.is_over
        assert not other.is_over
        core.get()
        assert (await peer.request()).method == b"GET"


@on_every_loop
async def test_rest_of_the_request_is_passed_on_after_an_early_response() -> None:
    async with playing_core() as core:
        crossing, stream = core.begin(asked(b"POST"))
        peer = await core.accept()
        await peer.head()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        crossing.body(b"abc")
        assert await peer.until(b"abc") == b"3\r\n"
        assert stream.is_reading
        crossing.end()
        await peer.until(b"0\r\n\r\n")
        core.get()  # on the same connection
        assert (await peer.request()).method == b"GET"


@pytest.mark.parametrize("announced", [True, False])
@on_every_loop
async def test_request_is_stopped_when_the_core_closes_after_a_response(announced: bool) -> None:
    async with playing_core() as core:
        _, stream = core.begin(asked(b"POST"))
        peer = await core.accept()
        await peer.head()
        option = b"Connection: close\r\n" if announced else b""
        await peer.send(b"HTTP/1.1 413 X\r\n%bContent-Length: 2\r\n\r\nno" % option)
        await eventually(lambda: stream.has_ended)
        if not announced:
            peer.close()
        await eventually(lambda: not stream.is_reading)
        assert stream.why is None
