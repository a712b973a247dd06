"""Translation of HTTP/2 and HTTP/3 heads to HTTP/1.1 and back."""

import base64
import hashlib

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.http1 import parse_request
from httpprocessproxy.frontends.streams import Fields, Head
from httpprocessproxy.frontends.translation import (
    CHUNKED,
    MAX_CACHED_HEAD_BYTES,
    accepted,
    fields_of,
    request_head,
    upgrade,
)


def head(path: bytes = b"/a?b", fields: Fields = (), authority: bytes = b"localhost:8443") -> Head:
    return Head("2", b"PUT", authority, path, fields, None, ("::1", 1), ("::1", 2))


def test_request_head_is_serialised_with_extra_fields() -> None:
    raw = request_head(head(fields=[(b"accept", b"*/*")]), CHUNKED)
    assert raw == (
        b"PUT /a?b HTTP/1.1\r\nHost: localhost:8443\r\n"
        b"accept: */*\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    assert parse_request(raw).method == b"PUT"


@pytest.mark.parametrize(
    "asked",
    [
        head(path=b"/ HTTP/1.1\r\nx: y\r\n\r\nGET /"),
        head(authority=b"a\r\nx: y"),
        head(fields=[(b"a", b"b\r\nx: y")]),
        head(fields=[(b"a", b"b\nx: y")]),
        head(fields=[(b"a", b"b\rx: y")]),
        head(fields=[(b"a: b\r\nx", b"y")]),
    ],
)
def test_line_break_in_a_head_is_refused(asked: Head) -> None:
    """RFC 9113 section 10.3."""
    with pytest.raises(RequestError):
        request_head(asked, ())


def test_connection_specific_fields_of_a_response_are_removed() -> None:
    status, fields = fields_of(
        b"HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nKeep-Alive: 5\r\n"
        b"Transfer-Encoding: chunked\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b'Alt-Svc: h3=":1"\r\n\r\n'
    )
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert (status, list(fields)) == (200, [(b"date", b"now"), *cookies])


@pytest.mark.parametrize("size", [1, MAX_CACHED_HEAD_BYTES])
def test_fields_of_a_head_without_its_empty_line_are_lower_case(size: int) -> None:
    """Heads above the limit are not cached."""
    head = b"HTTP/1.1 103 Early Hints\r\nLink:\t</a> \r\nX: %b:y\r\n" % (b"x" * size)
    for _ in range(2):
        status, fields = fields_of(head)
        assert status == 103
        assert list(fields) == [(b"link", b"</a>"), (b"x", b"x" * size + b":y")]


def switched(accept: bytes) -> Fields:
    return [(b"sec-websocket-accept", accept), (b"sec-websocket-protocol", b"chat")]


def test_websocket_handshake_gets_a_random_key_and_loses_its_accept_field() -> None:
    """RFC 8441 section 5: the client uses neither Sec-WebSocket-Key nor Sec-WebSocket-Accept."""
    key, fields = upgrade(b"websocket")
    assert len(base64.b64decode(key)) == 16
    assert dict(fields)[b"upgrade"] == b"websocket"
    assert upgrade(b"websocket")[0] != key
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    answer = switched(base64.b64encode(digest))
    assert accepted(answer, key) == [(b"sec-websocket-protocol", b"chat")]


def test_accept_of_the_example_in_rfc_6455_is_valid() -> None:
    answer = switched(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert accepted(answer, b"dGhlIHNhbXBsZSBub25jZQ==") is not None


def test_wrong_accept_is_rejected() -> None:
    assert accepted(switched(b"abc"), b"key") is None


def test_protocol_other_than_websocket_is_refused_with_501() -> None:
    """RFC 9220 section 3."""
    with pytest.raises(RequestError) as refusal:
        upgrade(b"connect-udp")
    assert refusal.value.status == 501
