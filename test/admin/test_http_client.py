"""The HTTP client, with a peer that sends any bytes."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from httpprocessproxy.admin.http_client import HttpError, request
from test.deadline import PATIENCE_S

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def peer(*pieces: bytes) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """A server that sends pieces to its first client; yields its address, and its requests."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heads.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname(), heads
        thread.join()


def fetch(pieces: Sequence[bytes]) -> tuple[int, bytes]:
    with (
        peer(*pieces) as (address, _),
        request(address, "GET /x", {}, PATIENCE_S) as response,
    ):
        return response.status, response.read()


def test_request_has_its_fields() -> None:
    with (
        peer(HEAD, b"\r\n") as (address, heads),
        request(address, "POST /x?y", {"Accept": "text/plain"}, PATIENCE_S) as response,
    ):
        response.read()
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "POST /x?y HTTP/1.1"
    assert {f"Host: 127.0.0.1:{address[1]}", "Accept: text/plain"} <= set(lines)
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, b"Content-Length: 5\r\n\r\n", b"he", b"llo and more"],
        [HEAD, b"\r\nhel", b"lo"],
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"2;a=b\r\nlo\r\n0\r\n\r\n"],
    ],
    ids=["counted", "until the end", "chunked"],
)
def test_body_is_read_by_its_framing(pieces: list[bytes]) -> None:
    assert fetch(pieces) == (200, b"hello")


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"SSH-2.0-OpenSSH\r\n"],
        [b"HTTP/1.1 OK\r\n\r\n"],
        [b"x" * 70_000],
        [HEAD],
        [HEAD, b"Content-Length: 5\r\n\r\nhel"],
        [HEAD, b"Content-Length: many\r\n\r\nhel"],
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"],
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"],
    ],
)
def test_response_that_is_not_whole_http_raises(pieces: list[bytes]) -> None:
    with pytest.raises(HttpError):
        fetch(pieces)


def test_pieces_of_a_stream_arrive_one_by_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        accepted: list[socket.socket] = []

        def answer() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with request(address, "GET /x", {}, PATIENCE_S) as response:
            pieces = response.pieces()
            assert next(pieces) == b"a"
            thread.join()
            accepted[0].sendall(b"2\r\nbc\r\n0\r\n\r\n")
            assert list(pieces) == [b"bc"]
        accepted[0].close()


def test_silent_peer_raises_at_the_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(TimeoutError),
        request(listener.getsockname(), "GET /x", {}, 0.01),
    ):
        pass
