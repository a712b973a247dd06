"""Parsing of the core's responses, for any split into reads."""

import pytest

from httpprocessproxy.frontends.streams import Fields, StreamReset
from test.fakes import OK
from test.frontends.cores import asked, playing_core
from test.loops import eventually, on_every_loop, turn

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "response", "status", "content", "is_kept"),
    [
        (b"GET", b"200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", True),
        (b"GET", b"200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
        (b"GET", b"200 OK\r\n" + CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, b"abc", True),
        (b"HEAD", b"200 OK\r\nContent-Length: 3\r\n\r\n", 200, b"", True),
        (b"HEAD", b"200 OK\r\n" + CHUNKED, 200, b"", True),
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
        async with playing_core() as core:
            _, stream = core.get(asked(method))
            peer, _ = await core.take()
            await peer.send(raw[:cut])
            await turn()
            assert not stream.has_ended or cut == len(raw)
            if cut < len(raw):
                await peer.send(raw[cut:])
            await eventually(lambda: stream.has_ended)  # noqa: B023
            assert (stream.status, bytes(stream.content)) == (status, content)
            if is_kept:
                core.get()
                await peer.request()
            else:
                assert await peer.rest() == b""


@on_every_loop
async def test_body_without_framing_ends_with_its_connection() -> None:
    async with playing_core() as core:
        _, stream = core.get()
        peer, _ = await core.take()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        peer.close()
        await eventually(lambda: stream.has_ended)
        assert bytes(stream.content) == b"abc"


@pytest.mark.parametrize("surplus", [b"x", OK])
@on_every_loop
async def test_data_without_a_request_closes_the_connection(surplus: bytes) -> None:
    async with playing_core() as core:
        peer = await core.kept()
        await peer.send(surplus)
        assert await peer.rest() == b""
        core.get()
        await (await core.accept()).request()


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ([b"X-A: b", b"Set-Cookie: c=d"], [(b"x-a", b"b"), (b"set-cookie", b"c=d")]),
        ([b"Keep-Alive: timeout=5", b"Connection: keep-alive", b"Proxy-Connection: x"], []),
        ([b"Upgrade: h2c", b"X: \xff"], [(b"x", b"\xff")]),
    ],
)
@on_every_loop
async def test_response_fields_are_lower_case_without_connection_specific_ones(
    lines: list[bytes], fields: Fields
) -> None:
    async with playing_core() as core:
        _, stream = core.get()
        peer, _ = await core.take()
        head = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: 0", b"", b""])
        await peer.send(head)
        await eventually(lambda: stream.has_ended)
        assert stream.fields == [*fields, (b"content-length", b"0")]


@on_every_loop
async def test_too_large_trailers_reset_the_stream() -> None:
    async with playing_core() as core:
        _, stream = core.get()
        peer, _ = await core.take()
        await peer.send(b"HTTP/1.1 200 OK\r\n", CHUNKED, b"0\r\nX: " + b"y" * 20_000)
        await eventually(lambda: stream.why is StreamReset.INTERNAL)
