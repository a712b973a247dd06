"""Responses as sent to the client (RFC 9112 sections 6 and 9, RFC 9110 section 7.8)."""

import pytest

from httpprocessproxy.core.errors import ResponseError
from httpprocessproxy.core.http.bodies import Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import connection_options, generation_line, interim_response
from httpprocessproxy.core.http.http1 import Fields, parse_response
from httpprocessproxy.core.http.request import Request, Response
from test.core.http.heads import TRUSTED, answered, sent
from test.core.http.strict import read_head

GET, HEAD = sent(), sent(line=b"HEAD / HTTP/1.1")
OLD = sent(line=b"GET / HTTP/1.0")
OLD_KEPT = sent(b"Connection: keep-alive", line=b"GET / HTTP/1.0")


def fields_for_client(response: Response) -> Fields:
    return read_head(response.head + b"\r\n")[1]


def test_response_keeps_its_fields_and_ends_with_its_length() -> None:
    response = answered(b"HTTP/1.1 404 Not \xe9\r\nB: 1\r\nContent-Length: 2\r\nA: 2\r\nB: 3", GET)
    assert response.head == (
        b"HTTP/1.1 404 Not \xe9\r\nB: 1\r\nA: 2\r\nB: 3\r\nContent-Length: 2\r\n"
    )
    assert response.status == 404
    assert (response.client_keep_alive, response.backend_keep_alive) == (True, True)


def test_hpp_generation_of_a_backend_is_removed() -> None:
    response = answered(b"HTTP/1.1 200 OK\r\nHpp-Generation: 9\r\nA: 1\r\nContent-Length: 0", GET)
    assert response.head == b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n"


def test_set_cookie_fields_are_not_joined() -> None:
    lines = b"Set-Cookie: a=b\r\nX:\r\nSet-Cookie: c=d"
    response = answered(b"HTTP/1.1 304 OK\r\n" + lines, GET)
    assert response.head == b"HTTP/1.1 304 OK\r\nSet-Cookie: a=b\r\nX: \r\nSet-Cookie: c=d\r\n"


@pytest.mark.parametrize(
    "line",
    [
        *(b"Connection: close", b"Connection:", b"Keep-Alive: timeout=5", b"Proxy-Connection: x"),
        *(b"Upgrade: h2,h2c", b"TE: trailers", b"Connection: x-hop, X\r\nX-Hop: 1\r\nX: 2"),
    ],
)
def test_hop_by_hop_fields_of_responses_are_removed(line: bytes) -> None:
    response = answered(b"HTTP/1.1 304 OK\r\nA: 1\r\n%b\r\nB: 2" % line, GET)
    assert fields_for_client(response) == [(b"A", b"1"), (b"B", b"2")]
    interim = interim_response(parse_response(b"HTTP/1.1 103 E\r\nA: 1\r\n%b\r\n\r\n" % line))
    assert interim == b"HTTP/1.1 103 E\r\nA: 1\r\n\r\n"


def test_content_length_named_by_connection_is_kept() -> None:
    response = answered(b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 2", GET)
    assert fields_for_client(response) == [(b"Content-Length", b"2")]


LENGTH, CHUNKED = b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: Chunked"
KEPT = b"\r\nConnection: keep-alive"
AS_LENGTH = [(b"Content-Length", b"5")]
AS_CHUNKED = [(b"Transfer-Encoding", b"chunked")]


@pytest.mark.parametrize(
    ("request_", "head", "fields", "body", "client", "backend"),
    [
        # request, head of the backend; expected fields, body, whether client and backend persist
        (GET, b"HTTP/1.1 200 OK" + LENGTH, AS_LENGTH, Length, True, True),
        (GET, b"HTTP/1.1 200 OK" + CHUNKED, AS_CHUNKED, Chunked, True, True),
        (GET, b"HTTP/1.1 200 OK", AS_CHUNKED, UntilClose, True, False),
        (GET, b"HTTP/1.0 200 OK", AS_CHUNKED, UntilClose, True, False),
        (GET, b"HTTP/1.0 200 OK" + LENGTH, AS_LENGTH, Length, True, False),
        (GET, b"HTTP/1.0 200 OK" + KEPT + LENGTH, AS_LENGTH, Length, True, True),
        (GET, b"HTTP/1.0 200 OK" + KEPT + CHUNKED, AS_CHUNKED, Chunked, True, False),
        (GET, b"HTTP/1.1 204 OK", [], Length, True, True),
        (GET, b"HTTP/1.1 204 OK" + LENGTH, [], Length, True, True),
        (GET, b"HTTP/1.1 204 OK" + CHUNKED, [], Length, True, True),
        (GET, b"HTTP/1.1 304 OK", [], Length, True, True),
        (GET, b"HTTP/1.1 304 OK" + LENGTH, AS_LENGTH, Length, True, True),
        (GET, b"HTTP/1.1 304 OK" + CHUNKED, [], Length, True, True),
        (HEAD, b"HTTP/1.1 200 OK", [], Length, True, False),
        (HEAD, b"HTTP/1.1 200 OK" + LENGTH, AS_LENGTH, Length, True, False),
        (HEAD, b"HTTP/1.1 200 OK" + CHUNKED, [], Length, True, False),
        (OLD, b"HTTP/1.1 200 OK" + LENGTH, AS_LENGTH, Length, False, True),
        (OLD_KEPT, b"HTTP/1.1 200 OK" + LENGTH, AS_LENGTH, Length, True, True),
        (OLD_KEPT, b"HTTP/1.1 200 OK" + CHUNKED, [], Chunked, False, True),
        (OLD_KEPT, b"HTTP/1.1 200 OK", [], UntilClose, False, False),
        (OLD_KEPT, b"HTTP/1.1 304 OK", [], Length, True, True),
    ],
)  # fmt: skip
def test_response_framing_by_version_status_and_method(
    request_: Request, head: bytes, fields: Fields, body: type[Body], client: bool, backend: bool
) -> None:
    response = answered(head, request_)
    assert fields_for_client(response) == fields
    assert type(response.body) is body
    assert (response.client_keep_alive, response.backend_keep_alive) == (client, backend)
    has_none = b" 200 " not in head or request_ is HEAD
    assert response.body.done == has_none


def test_http_1_0_client_gets_the_content_without_chunks() -> None:
    chunked = answered(b"HTTP/1.1 200 OK" + CHUNKED, OLD).body
    assert chunked.feed(b"3\r\nabc\r\n0\r\n\r\n") == b"abc"
    until_close = answered(b"HTTP/1.1 200 OK", OLD).body
    assert (until_close.feed(b"abc"), until_close.end()) == (b"abc", b"")
    new = answered(b"HTTP/1.1 200 OK", GET).body
    assert (new.feed(b"abc"), new.end()) == (b"3\r\nabc\r\n", b"0\r\n\r\n")


def test_stream_gets_the_content_without_chunks_and_keeps_its_connection() -> None:
    request = sent(peer=Peer("192.0.2.1", trusted=True, is_stream=True))
    assert request.takes_content
    for head in (b"HTTP/1.1 200 OK" + CHUNKED, b"HTTP/1.1 200 OK"):
        response = answered(head, request)
        assert fields_for_client(response) == []
        assert response.client_keep_alive
    chunked = answered(b"HTTP/1.1 200 OK" + CHUNKED, request).body
    assert chunked.feed(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n") == b"abc"
    assert list(chunked.trailers) == [b"X: y\r\n"]
    until_close = answered(b"HTTP/1.1 200 OK", request).body
    assert (until_close.feed(b"abc"), until_close.end()) == (b"abc", b"")


@pytest.mark.parametrize(
    ("peer", "line", "takes_content"),
    [
        (TRUSTED, b"GET / HTTP/1.1", False),
        (TRUSTED, b"GET / HTTP/1.0", True),
        (Peer(None, trusted=True, is_stream=True), b"GET / HTTP/1.1", True),
    ],
)
def test_streams_and_http_1_0_take_content_alone(
    peer: Peer, line: bytes, takes_content: bool
) -> None:
    assert sent(line=line, peer=peer).takes_content is takes_content


def test_request_of_a_stream_is_sent_to_the_backend_in_chunks() -> None:
    stream = Peer(None, trusted=True, is_stream=True)
    body = sent(b"Transfer-Encoding: chunked", peer=stream).body()
    assert body.feed(b"abc") == b"3\r\nabc\r\n"
    assert body.end() == b"0\r\n\r\n"


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"chunked, gzip", b", chunked"])
@pytest.mark.parametrize("request_", [GET, HEAD, OLD])
def test_unrequested_transfer_coding_raises_response_error(
    coding: bytes, request_: Request
) -> None:
    with pytest.raises(ResponseError, match="coding"):
        answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding, request_)


def test_interim_response_loses_its_framing_fields() -> None:
    head = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\nLink: </b>\r\n\r\n"
    assert interim_response(parse_response(head)) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n"
    )


# 101 (RFC 9110 section 7.8)


def switched(upgrade: bytes, to: bytes = b"Upgrade: websocket") -> Response:
    asked = sent(b"Connection: Upgrade", b"Upgrade: " + upgrade)
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade, x-own\r\nX-Own: 1"
    return answered(b"%b\r\nContent-Length: 5\r\nX: y\r\n%b" % (head, to), asked)


@pytest.mark.parametrize("upgrade", [b"websocket", b"WEBSOCKET", b"foo, websocket"])
def test_switch_to_an_offered_protocol_passes(upgrade: bytes) -> None:
    response = switched(upgrade)
    assert (response.status, response.upgrade, response.body.done) == (101, b"websocket", True)
    assert not response.client_keep_alive
    assert not response.backend_keep_alive
    _, fields = read_head(response.head + b"\r\n")
    assert fields == [(b"X", b"y"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]


@pytest.mark.parametrize(
    ("asked", "to"),
    [
        (b"foo", b"Upgrade: websocket"),
        (b"websocket", b"X: y"),
        (b"websocket", b"Upgrade:"),
        (b"websocket, foo", b"Upgrade: websocket, foo"),
        (b"h2c, websocket", b"Upgrade: h2c"),
        (b",", b"Upgrade: websocket"),
    ],
)
def test_switch_to_another_protocol_raises_response_error(asked: bytes, to: bytes) -> None:
    with pytest.raises(ResponseError):
        switched(asked, to)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ([], set()),
        ([(b"Keep-Alive", b"close")], set()),
        ([(b"connection", b"Close")], {b"close"}),
        (
            [(b"CONNECTION", b" X-A ,keep-alive"), (b"X", b"y"), (b"Connection", b"te")],
            {b"x-a", b"keep-alive", b"te"},
        ),
    ],
)
def test_connection_options_are_joined_in_lower_case(fields: Fields, options: set[bytes]) -> None:
    assert connection_options(fields) == options


def test_generation_line_says_whether_newer_files_exist() -> None:
    assert generation_line(13, is_superseded=False) == b"Hpp-Generation: 13\r\n"
    assert generation_line(13, is_superseded=True) == b"Hpp-Generation: 13; superseded\r\n"
