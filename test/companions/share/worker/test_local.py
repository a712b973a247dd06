"""The HTTP client of the local server, tested byte by byte with a fake server."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import closing

import pytest

from httpprocessproxy.companions.share.protocol import Fields, VisitHead
from httpprocessproxy.companions.share.relay.pipe import BytesSource, CutError
from httpprocessproxy.companions.share.worker.local import LocalClient, LocalError
from httpprocessproxy.config import Address
from test.deadline import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


class Server:
    """Records the received bytes up to `until`, sends its answer, and closes."""

    def __init__(self, answer: bytes, until: bytes = b"\r\n\r\n") -> None:
        self.received = b""
        self._answer, self._until = answer, until

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.received.endswith(self._until):
            data = await reader.read(65536)
            if not data:
                break
            self.received += data
        writer.write(self._answer)
        writer.close()


async def ask(
    address: Address, fields: Fields, body: bytes, method: str, *, is_tunnel: bool
) -> tuple[int, Fields, bytes]:
    head = VisitHead("id", method, "/a%2Fb?", "", [("Host", "h"), *fields])
    with closing(LocalClient(address)) as local:
        async with (
            asyncio.timeout(PATIENCE_S),
            asyncio.TaskGroup() as tasks,
            local.exchange(tasks, head, BytesSource(body), is_tunnel=is_tunnel) as answer,
        ):
            pieces = []
            while piece := await answer.body.receive():
                pieces.append(piece)
            return answer.head.status, answer.head.fields, b"".join(pieces)


def talk(
    server: Server,
    fields: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    method: str = "GET",
    *,
    is_tunnel: bool = False,
) -> tuple[int, Fields, bytes]:
    """Raises LocalError or CutError."""

    async def main() -> tuple[int, Fields, bytes]:
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            address = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
            return await ask(address, list(fields), body, method, is_tunnel=is_tunnel)

    try:
        return asyncio.run(main())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


@pytest.mark.parametrize(
    ("answer", "method", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello, and more", "GET", b"hello"),
        (OK + b"Content-Length: 5\r\n\r\n", "HEAD", b""),
        (
            OK + CHUNKS + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            "GET",
            b"hello",
        ),
        (OK + b"\r\nuntil the end", "GET", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", "GET", b"old"),
        (
            HINTS + OK + b"Content-Length: 1\r\n\r\na",
            "GET",
            b"a",
        ),
    ],
)
def test_body_is_read_with_each_framing(answer: bytes, method: str, body: bytes) -> None:
    assert talk(Server(answer), method=method)[::2] == (200, body)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nA: b", "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nA" + b"a" * 100_000 + b"\r\n\r\n", "too large"),
        (SWITCH + b"\r\n", "not asked for"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "not asked for"),
    ],
)
def test_invalid_response_raises_local_error(answer: bytes, reason: str) -> None:
    with pytest.raises(LocalError, match=reason):
        talk(Server(answer))


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_incomplete_body_is_cut(answer: bytes) -> None:
    with pytest.raises(CutError, match="not whole"):
        talk(Server(answer))


def test_request_is_sent_byte_for_byte() -> None:
    server = Server(OK + b"Content-Length: 0\r\n\r\n", b"body")
    fields = [("X-A", "é"), ("content-length", "4"), ("x-a", "2")]
    talk(server, fields, b"body", "POST")
    assert server.received == (
        b"POST /a%2Fb? HTTP/1.1\r\nHost: h\r\nX-A: \xc3\xa9\r\nx-a: 2\r\n"
        b"Content-Length: 4\r\n\r\nbody"
    )


def test_body_of_unknown_length_is_sent_chunked() -> None:
    server = Server(OK + b"Content-Length: 0\r\n\r\n", b"0\r\n\r\n")
    talk(server, [], b"hello", "PUT")
    assert server.received.endswith(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize("length", ["3", "9"])
def test_body_that_contradicts_its_content_length_aborts_the_request(length: str) -> None:
    """The excess of a longer body would be parsed as a second request (request smuggling)."""
    server = Server(OK + b"Content-Length: 0\r\n\r\n", b"never")
    with pytest.raises(LocalError):
        talk(server, [("Content-Length", length)], b"GET / HT", "POST")
    assert b"GET / HT" not in server.received or length == "9"


def test_bytes_pass_unframed_in_both_directions_after_101() -> None:
    server = Server(SWITCH + b"Sec-X: y\r\n\r\n\x81\x00", b"\x82\x00")
    status, fields, body = talk(server, [], b"\x82\x00", is_tunnel=True)
    assert (status, fields, body) == (101, [("Sec-X", "y")], b"\x81\x00")
    assert re.search(
        rb"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x00$", server.received
    )
