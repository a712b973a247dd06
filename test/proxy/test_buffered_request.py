"""A request as it is received: buffered until it is sent, and as long as it may be sent again."""

from typing import cast

import pytest

from httpprocessproxy.core.exchange import MAX_KEPT_BODY_BYTES
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.proxy.buffered_request import MAX_WAITING_BYTES, BufferedRequest
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.interfaces import Downstream, Upstream


class Client:
    """The members of a client that a request uses."""

    replay_of = 0

    def __init__(self) -> None:
        self.peer = Peer(None, trusted=True, is_stream=True)
        self.blocks: list[bool] = []

    def block_reading(self, blocked: bool) -> None:
        self.blocks.append(blocked)


class Context:
    """The member of the shared state that a request uses, and those of its destination."""

    name = "web"
    takes_back = False
    gate = None

    @property
    def destination(self) -> "Context":
        return self


class Wire:
    """An upstream that records the bytes written to it."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data


class Reading(BufferedRequest):
    """A request that counts the reports of its end."""

    def __init__(self, *lines: bytes, is_buffered: bool = True) -> None:
        self.downstream = Client()
        reader = RequestReader(self.downstream.peer, b"2 proxy")
        method = b"GET" if is_buffered else b"POST"
        head = b"\r\n".join([method + b" / HTTP/1.1", b"Host: a", *lines, b"", b""])
        client, context = cast(Downstream, self.downstream), cast(ProxyContext, Context())
        super().__init__(client, context, reader.read(head))
        self.ends = 0

    def connect(self) -> Wire:
        """Send the request on a new connection, as an exchange does."""
        wire = Wire()
        self._upstream = cast(Upstream, wire)
        wire.write(self.take_buffer())
        return wire

    def read(self) -> None:
        self.ends += 1


CHUNKED = b"Transfer-Encoding: chunked"


def body_of(wire: Wire) -> bytes:
    return wire.sent.partition(b"\r\n\r\n")[2]


def test_body_is_buffered_until_the_request_is_sent_and_written_afterwards() -> None:
    request = Reading(b"Content-Length: 6")
    request.send_body(b"abc")
    wire = request.connect()
    assert wire.sent == request.request.head + b"abc"
    request.send_body(b"def")
    assert body_of(wire) == b"abcdef"
    assert (request.ends, request.body.done, request.record.sent) == (1, True, 1)


@pytest.mark.parametrize("is_buffered", [True, False])
def test_buffered_request_may_be_sent_again(is_buffered: bool) -> None:
    request = Reading(CHUNKED, is_buffered=is_buffered)
    request.send_body(b"abc")
    first = request.connect()
    request.send_body(b"def")
    request.end_body([b"x: y\r\n"])
    assert body_of(first) == b"3\r\nabc\r\n3\r\ndef\r\n0\r\nx: y\r\n\r\n"
    again = request.connect()
    assert again.sent == (first.sent if is_buffered else b"")


def test_body_above_the_limit_is_not_kept_after_it_was_sent() -> None:
    request = Reading(b"Content-Length: %d" % (MAX_KEPT_BODY_BYTES + 2))
    request.connect()
    request.send_body(b"x" * MAX_KEPT_BODY_BYTES)
    assert request.connect().sent
    request.send_body(b"x")
    assert request.connect().sent == b""


def test_client_is_blocked_above_the_limit_while_the_request_waits() -> None:
    request = Reading(b"Content-Length: %d" % (2 * MAX_WAITING_BYTES), is_buffered=False)
    request.send_body(b"x" * MAX_WAITING_BYTES)
    assert request.downstream.blocks == []
    request.send_body(b"y")
    assert request.downstream.blocks == [True]
    wire = request.connect()
    request.send_body(b"z")
    assert request.downstream.blocks == [True]
    assert body_of(wire) == b"x" * MAX_WAITING_BYTES + b"yz"


def test_end_of_a_complete_body_is_reported_once() -> None:
    for lines, body in (([], b""), ([b"Content-Length: 1"], b"a"), ([CHUNKED], b"a")):
        request = Reading(*lines)
        if body:
            request.send_body(body)
        request.end_body([])
        request.end_body([])
        assert request.ends == bool(body)
        assert request.body.done
