"""Fuzz tests: streams of requests and responses, mutated and cut anywhere.

Two properties hold. Only PeerError is raised. And the output is strictly valid: a strict parser and
llhttp read exactly the messages in it that the proxy has read.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpprocessproxy.core.errors import BodyError, PeerError, RequestError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import interim_response, outgoing_request, outgoing_response
from httpprocessproxy.core.http.http1 import (
    HEAD_END,
    Fields,
    RequestHead,
    check_incomplete,
    parse_request,
    parse_response,
)
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request
from test.core.http.heads import FORWARDED_NAMES, STRANGER, TRUSTED, VIA, sent
from test.core.http.strict import llhttp_requests, llhttp_responses, read_head, repeatably

fuzz = settings(repeatably, max_examples=1000)

CHUNKS = b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
REQUESTS = [
    b"GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, x\r\nUpgrade: foo, h2c\r\nX: y\r\n\r\n",
    b"OPTIONS http://b/c HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nVia: 1.0 b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=_a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    b"PUT / HTTP/1.1\r\nhost: a\r\nExpect: 100-continue\r\ncontent-length: 0\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    b"HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: y\r\n\r\nuntil the end",
    b"HTTP/1.0 404 \r\nServer: a\r\n\r\nold",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nA:\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
]
BITS = [
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"\x00", b"\x0b", b"\xff"),
    *(b"0", b"1", b"5", b"+", b"-", b"0x", b"_", b"chunked", b"close", b"HTTP/1.0", b"HTTP/1.1"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 3, 3\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Content_Length: 9\r\n", b" folded\r\n"),
    *(b"Host: b\r\n", b"Connection: content-length, host, transfer-encoding\r\n", b"0\r\n\r\n"),
    *(b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n", b"Via: 1.1 b\r\n", b"http://", b"*"),
    *(b'Forwarded: for="_a\r\n', b"X_Forwarded_For: evil\r\n", b'"'),
    *(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: evil\r\n\r\n"),
    *(b"Content-Length : 5\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"ffffffffffffffff\r\n"),
]

mutation = st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from([b"", *BITS]))


def streams(messages: list[bytes]) -> st.SearchStrategy[bytes]:
    whole = st.lists(st.sampled_from(messages), min_size=1, max_size=4).map(b"".join)
    return st.builds(mutated, whole, st.lists(mutation, max_size=4))


def mutated(data: bytes, mutations: list[tuple[int, int, bytes]]) -> bytes:
    """Apply mutations; each removes some bytes, and inserts others."""
    for where, gone, bit in mutations:
        at = where % (len(data) + 1)
        data = data[:at] + bit + data[at + gone :]
    return data


sizes = st.lists(st.integers(1, 60), max_size=12)


def cut(data: bytes, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield data[:length]
        data = data[length:]
    yield data


@dataclass
class Passed:
    """A request that was passed on: its head, and its body as far as it was received."""

    request: Request
    parsed: RequestHead
    body: bytes = b""
    is_whole: bool = False


@dataclass
class Front:
    """A client's connection, read as the proxy reads it, up to the first error."""

    read: Callable[[bytes], Request]
    passed: list[Passed] = field(default_factory=list)
    status: int = 0

    def receive(self, pieces: Iterator[bytes]) -> "Front":
        waiting = b""
        try:
            for piece in pieces:
                waiting = self._serve(waiting + piece)
        except RequestError as error:
            self.status = error.status
        except BodyError:
            self.status = 400
        return self

    def _serve(self, data: bytes) -> bytes:
        while data:
            if not self.passed or self.passed[-1].is_whole:
                end = data.find(HEAD_END)
                if end < 0:
                    check_incomplete(data)
                    return data
                end += len(HEAD_END)
                request = self.read(data[:end])
                self._body = request.body()
                self.passed.append(Passed(request, parse_request(data[:end])))
                data = data[end:]
            message = self.passed[-1]
            if not self._body.done:
                message.body += self._body.feed(data)
                data = self._body.rest
            message.is_whole = self._body.done
        return b""


def parse(head: bytes) -> Request:
    return outgoing_request(parse_request(head), TRUSTED, VIA)


@fuzz
@given(streams(REQUESTS), sizes)
@example(REQUESTS[3] + REQUESTS[2], [40] * 4)
def test_backend_reads_the_request_that_the_client_sent(data: bytes, lengths: list[int]) -> None:
    front = Front(parse).receive(cut(data, lengths))
    for message in front.passed:
        assert_same_message(message)


def assert_same_message(message: Passed) -> None:
    """Assert that the proxy, a strict parser and llhttp read the same single message."""
    request = message.request
    line, fields = read_head(request.head)
    assert line == b"%b %b HTTP/1.1" % (request.method, request.target)
    assert_framed_once(fields, request.content_length)
    assert_no_field_added(fields, message.parsed.fields)
    method, target = line_for_llhttp(request)
    oracle = llhttp_requests(b"%b %b%b" % (method, target, request.rest) + message.body)
    assert not oracle.is_refused
    assert oracle.targets == [target]
    assert oracle.fields[: len(fields)] == [(name, value.rstrip()) for name, value in fields]
    if not request.upgrade:
        assert len(oracle.content) == message.is_whole
    if request.content_length is not None and message.is_whole:
        assert len(message.body) == request.content_length


def line_for_llhttp(request: Request) -> tuple[bytes, bytes]:
    """Return method and target, replaced where llhttp does not accept them."""
    is_known = request.method in (b"GET", b"POST", b"OPTIONS", b"PUT", b"HEAD")
    return request.method if is_known else b"POST", re.sub(rb"[\x80-\xff]", b"x", request.target)


def assert_framed_once(fields: Fields, length: int | None) -> None:
    framing = [
        (name.lower(), value)
        for name, value in fields
        if name.lower().replace(b"_", b"-") in (b"content-length", b"transfer-encoding")
    ]
    if length is None:
        assert framing == [(b"transfer-encoding", b"chunked")]
    else:
        assert framing in ([], [(b"content-length", b"%d" % length)])
        assert framing or not length


def assert_no_field_added(fields: Fields, received: Fields) -> None:
    names = [name.lower() for name, _ in fields]
    ours = {b"host", b"via", b"connection", b"te", b"upgrade", b"forwarded", b"x-forwarded-for"}
    for name in ours:
        assert names.count(name) <= 1, name
    assert names.count(b"host") == names.count(b"via") == 1
    written = ours | FORWARDED_NAMES | {b"content-length", b"transfer-encoding"}
    passing = [item for item in fields if item[0].lower() not in written]
    remaining = iter(received)
    assert all(item in remaining for item in passing), "in the order received, and no others"


@fuzz
@given(streams(REQUESTS), sizes)
def test_stream_in_pieces_gives_the_same_requests_as_in_one(
    data: bytes, lengths: list[int]
) -> None:
    at_once = Front(parse).receive(iter([data]))
    in_pieces = Front(parse).receive(cut(data, lengths))
    assert [m.request for m in at_once.passed] == [m.request for m in in_pieces.passed]
    assert [m.is_whole for m in at_once.passed] == [m.is_whole for m in in_pieces.passed]
    assert bool(at_once.status) == bool(in_pieces.status)
    for one, other in zip(at_once.passed, in_pieces.passed, strict=True):
        # More of a body that proves to be broken is sent if it arrives in pieces.
        assert one.body == other.body if one.is_whole else other.body.startswith(one.body)


@fuzz
@given(streams(REQUESTS), st.sampled_from([TRUSTED, STRANGER]))
@example(REQUESTS[0] * 3, TRUSTED)
@example(REQUESTS[0] + REQUESTS[0].replace(b"/a?b", b"http://b/"), TRUSTED)
def test_cached_reader_gives_the_same_requests_as_a_parser(data: bytes, peer: Peer) -> None:
    def parse_uncached(head: bytes) -> Request:
        return outgoing_request(parse_request(head), peer, VIA)

    cached = Front(RequestReader(peer, VIA).read).receive(iter([data]))
    uncached = Front(parse_uncached).receive(iter([data]))
    assert (cached.passed, cached.status) == (uncached.passed, uncached.status)


@fuzz
@given(st.binary(max_size=300) | st.lists(st.sampled_from(BITS), max_size=30).map(b"".join))
def test_random_bytes_raise_only_peer_errors(data: bytes) -> None:
    for message in Front(parse).receive(iter([data])).passed:
        assert_same_message(message)


# Responses

ASKED = [
    sent(),
    sent(line=b"HEAD / HTTP/1.1"),
    sent(line=b"GET / HTTP/1.0"),
    sent(b"Connection: upgrade", b"Upgrade: websocket"),
]


def to_client(pieces: Iterator[bytes], request: Request) -> tuple[list[bytes], list[bytes]]:
    """Return the heads sent to the client, the final response's last, and the pieces of its body.

    Raises PeerError.
    """
    waiting = b""
    heads: list[bytes] = []
    for piece in pieces:
        waiting += piece
        while (end := waiting.find(HEAD_END)) >= 0:
            end += len(HEAD_END)
            head, waiting = parse_response(waiting[:end]), waiting[end:]
            if head.status < 200 and head.status != 101:
                heads.append(interim_response(head))
                continue
            response = outgoing_response(head, request)
            heads.append(response.head + b"\r\n")
            bodies = []
            if not response.upgrade:
                for data in (waiting, *pieces):
                    if data and not response.body.done:
                        bodies.append(response.body.feed(data))
                bodies.append(response.body.end())
            return heads, bodies
    return heads, []


@fuzz
@given(streams(RESPONSES), sizes, st.sampled_from(ASKED))
def test_client_reads_exactly_one_response(
    data: bytes, lengths: list[int], request: Request
) -> None:
    try:
        heads, bodies = to_client(cut(data, lengths), request)
    except PeerError:
        return
    for head in heads:
        line, fields = read_head(head)
        assert line.startswith(b"HTTP/1.1 ")
        names = [name.lower() for name, _ in fields]
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    if request.method != b"HEAD" and not request.is_http10 and b"".join(bodies):
        oracle = llhttp_responses(heads[-1] + b"".join(bodies))
        assert not oracle.is_refused
        assert len(oracle.content) == 1


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: message.partition(b"\r\n")[0])
def test_every_sample_request_is_accepted(message: bytes) -> None:
    """A fuzz test that starts from refused messages would prove nothing."""
    front = Front(parse).receive(iter([message * 2]))
    assert (front.status, [m.is_whole for m in front.passed]) == (0, [True, True])


@pytest.mark.parametrize("message", RESPONSES, ids=lambda message: message.partition(b"\r\n")[0])
def test_every_sample_response_is_accepted(message: bytes) -> None:
    heads, _ = to_client(iter([message]), ASKED[-1])
    assert heads
