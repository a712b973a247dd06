"""The server of the program's own pages, by the bytes on its socket."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from httpprocessproxy.system.listeners import listen_on_unix
from httpprocessproxy.system.page_server import (
    Handler,
    PageRequest,
    PageResponse,
    json_response,
    serving_pages,
    text_response,
)
from test.deadline import PATIENCE_S
from test.loops import eventually, on_every_loop

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def get(target: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


async def echo(request: PageRequest) -> PageResponse:
    """Respond with the parts of a request."""
    return json_response([request.method, request.path, request.query, request.fields])


@contextlib.asynccontextmanager
async def client(folder: Path, handler: Handler, drain_s: float = 0.0) -> AsyncIterator[Streams]:
    """Serve in the context, and yield a connection, which ends with it."""
    path = folder / "pages"
    async with serving_pages(listen_on_unix(path), handler, drain_s=drain_s):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def read_response(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str], bytes]:
    """The status line, the fields, and as much content as they announce."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return first.encode(), fields, await reader.readexactly(int(fields.get("Content-Length", 0)))


@on_every_loop
async def test_request_has_its_decoded_query_and_the_first_value_of_each_field(
    tmp_path: Path,
) -> None:
    async with client(tmp_path, echo) as (reader, writer):
        writer.write(get("/a%20b?x=1&x=2&y=%C3%A4&z", "X-A: one", "x-a: two"))
        first, fields, body = await read_response(reader)
        assert first == b"HTTP/1.1 200 OK"
        assert fields["Content-Type"] == "application/json; charset=utf-8"
        assert fields["Date"].endswith(" GMT")
        assert body == (
            b'["GET", "/a%20b", {"z": "", "y": "\\u00e4", "x": "1"}, {"host": "a", "x-a": "one"}]'
        )


@on_every_loop
async def test_requests_of_a_connection_are_answered_in_order(tmp_path: Path) -> None:
    async with client(tmp_path, echo) as (reader, writer):
        writer.write(get("/1") + get("/2") + get("/3")[:-1])
        for number in (b"/1", b"/2"):
            assert number in (await read_response(reader))[2]
        writer.write(b"\n" + get("/4", "Content-Length: 3", method="POST") + b"abc")
        writer.write(get("/5", "Connection: close"))
        for number in (b"/3", b"/4", b"/5"):
            last = await read_response(reader)
            assert number in last[2]
        assert last[1]["Connection"] == "close"
        assert await reader.read() == b""


@on_every_loop
async def test_response_without_content_has_none(tmp_path: Path) -> None:
    async def respond(request: PageRequest) -> PageResponse:
        return (
            PageResponse(304, fields={"ETag": '"1"'})
            if request.path == "/x"
            else text_response("é")
        )

    async with client(tmp_path, respond) as (reader, writer):
        writer.write(get("/a", method="HEAD") + get("/x") + get("/last", "Connection: close"))
        head, _, rest = (await reader.read()).partition(b"HTTP/1.1 304 Not Modified\r\n")
        assert b"Content-Length: 2\r\n" in head
        assert head.endswith(b"\r\n\r\n")
        not_modified, _, last = rest.partition(b"\r\n\r\n")
        assert b"Content-Length" not in not_modified
        assert last.startswith(b"HTTP/1.1 200 OK\r\n")
        assert last.endswith(b"\r\n\r\n" + "é".encode())


@on_every_loop
async def test_malformed_request_gets_400_and_the_end(tmp_path: Path) -> None:
    async with client(tmp_path, echo) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nno field\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@on_every_loop
async def test_request_to_upgrade_gets_a_plain_response(tmp_path: Path) -> None:
    async with client(tmp_path, echo) as (reader, writer):
        writer.write(get("/a", "Connection: Upgrade", "Upgrade: websocket"))
        assert (await read_response(reader))[0] == b"HTTP/1.1 200 OK"


@on_every_loop
async def test_client_that_expects_100_continue_gets_it(tmp_path: Path) -> None:
    async with client(tmp_path, echo) as (reader, writer):
        writer.write(get("/a", "Content-Length: 1", "Expect: 100-continue", method="POST"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"x")
        assert (await read_response(reader))[0] == b"HTTP/1.1 200 OK"


class Pieces:
    """A response in pieces without an end."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self.made = 0
        self.is_closed = False

    async def respond(self, request: PageRequest) -> PageResponse:
        response = text_response("")
        response.pieces = self._pieces()
        return response

    async def _pieces(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"x" * self._size_bytes
                await asyncio.sleep(0)
        finally:
            self.is_closed = True


@on_every_loop
async def test_pieces_are_chunks_and_end_with_the_client(tmp_path: Path) -> None:
    pieces = Pieces(3)
    async with client(tmp_path, pieces.respond) as (reader, writer):
        writer.write(get("/"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert b"Content-Length" not in head
        assert await reader.readexactly(16) == b"3\r\nxxx\r\n" * 2
        writer.transport.abort()
        await eventually(lambda: pieces.is_closed)


@on_every_loop
async def test_pieces_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    pieces = Pieces(100_000)
    async with client(tmp_path, pieces.respond) as (reader, writer):
        writer.write(get("/"))
        await reader.readuntil(b"\r\n\r\n")
        made = -1
        while made != pieces.made:
            made = pieces.made
            await asyncio.sleep(0.02)
        # The buffers of the socket and of both ends.
        assert made < 50
        await reader.readexactly(20 * 100_000)
        await eventually(lambda: pieces.made > made)


@on_every_loop
async def test_head_of_pieces_has_no_content(tmp_path: Path) -> None:
    pieces = Pieces(3)
    async with client(tmp_path, pieces.respond) as (reader, writer):
        writer.write(get("/", "Connection: close", method="HEAD"))
        assert (await reader.read()).endswith(b"\r\n\r\n")
        assert pieces.made == 0


@on_every_loop
async def test_last_piece_ends_the_response(tmp_path: Path) -> None:
    async def two() -> AsyncGenerator[bytes]:
        yield b"one"
        yield b"two"

    async def respond(request: PageRequest) -> PageResponse:
        response = text_response("")
        response.pieces = two()
        return response

    async with client(tmp_path, respond) as (reader, writer):
        writer.write(get("/", "Connection: close"))
        assert (await reader.read()).endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


class Slow:
    """A page that waits for the test."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.is_cancelled = False

    async def respond(self, request: PageRequest) -> PageResponse:
        self.has_begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return text_response("at last")


@on_every_loop
async def test_page_is_cancelled_when_its_client_leaves(tmp_path: Path) -> None:
    slow = Slow()
    async with client(tmp_path, slow.respond) as (_, writer):
        writer.write(get("/"))
        await slow.has_begun.wait()
        writer.transport.abort()
        await eventually(lambda: slow.is_cancelled)


@on_every_loop
async def test_page_in_flight_ends_before_the_server(tmp_path: Path) -> None:
    slow = Slow()
    path = tmp_path / "pages"
    async with serving_pages(listen_on_unix(path), slow.respond, drain_s=PATIENCE_S):
        idle, idle_writer = await asyncio.open_unix_connection(str(path))
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(get("/"))
        await slow.has_begun.wait()
        asyncio.get_running_loop().call_later(0.01, slow.may_end.set)
    assert (await reader.read()).endswith(b"\r\n\r\nat last")
    assert await idle.read() == b""
    for end in (idle_writer, writer):
        end.close()


@on_every_loop
async def test_page_that_takes_longer_is_cancelled_at_the_end(tmp_path: Path) -> None:
    slow = Slow()
    path = tmp_path / "pages"
    async with serving_pages(listen_on_unix(path), slow.respond, drain_s=0.01):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(get("/"))
        await slow.has_begun.wait()
    assert slow.is_cancelled
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.expects_faults
@on_every_loop
async def test_bug_of_a_page_ends_its_connection_alone(tmp_path: Path) -> None:
    async def respond(request: PageRequest) -> PageResponse:
        if request.path == "/bug":
            raise LookupError("a bug")
        return text_response("fine")

    async with client(tmp_path, respond) as (reader, writer):
        writer.write(get("/bug"))
        assert await reader.read() == b""
        other, other_writer = await asyncio.open_unix_connection(str(tmp_path / "pages"))
        other_writer.write(get("/", "Connection: close"))
        assert (await other.read()).endswith(b"fine")
        other_writer.close()
