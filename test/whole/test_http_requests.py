"""Requests as the backend receives them (RFC 9110, 9112), at a backend that records bytes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from test.recorder import OK
from test.wire import TruncatedError

if TYPE_CHECKING:
    from test.whole.conftest import Dialogue

HOP_BY_HOP = {b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}


def names(headers: list[tuple[bytes, bytes]]) -> set[bytes]:
    return {name.lower() for name, _ in headers}


# Hop-by-hop fields


def test_hop_by_hop_fields_are_removed(dialogue: Dialogue) -> None:
    seen = dialogue.seen(
        b"GET / HTTP/1.1",
        b"Connection: keep-alive, X-Secret ,x-other",
        b"Connection: X-Third",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"TE: gzip",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        *(b"X-Secret: 1", b"X-Other: 2", b"X-Third: 3", b"X-Kept: 4"),
    )
    assert not names(seen.headers) & (HOP_BY_HOP | {b"x-secret", b"x-other", b"x-third"})
    assert not names(seen.headers) & {b"http2-settings"}
    assert seen.get(b"X-Kept") == b"4"


@pytest.mark.parametrize("name", [b"Content-Length", b"Host", b"Forwarded"])
def test_connection_cannot_nominate_fields_that_protect_the_backend(
    dialogue: Dialogue, name: bytes
) -> None:
    seen = dialogue.seen(
        b"POST / HTTP/1.1", b"Connection: " + name, b"Content-Length: 3", body=b"abc"
    )
    assert name.lower() in names(seen.headers)
    assert seen.body == b"abc"


def test_te_keeps_trailers_only(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Connection: TE", b"TE: gzip, trailers")
    assert seen.get(b"TE") == b"trailers"


def test_empty_connection_field_removes_no_field(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Connection: ", b"X-Kept: 1")
    assert seen.get(b"X-Kept") == b"1"


def test_hop_by_hop_fields_of_a_response_are_removed(dialogue: Dialogue) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=9\r\n"
        b"X-Secret: 1\r\nProxy-Connection: close\r\nX-Kept: 2\r\nContent-Length: 0\r\n\r\n"
    )
    response = dialogue.answered(answer)
    assert not names(response.headers) & {b"keep-alive", b"x-secret", b"proxy-connection"}
    assert response.get(b"X-Kept") == b"2"


# Framing: a request that two parsers could read differently never reaches the backend


LENGTHS = [
    *(b"+5", b"-1", b"0x5", b"5 5", b"1_0", b"9" * 21, b"", b"5;", b"a"),
    *(b"5, 6", b"5\r\nContent-Length: 6", b"\xb2"),
]


@pytest.mark.parametrize("length", LENGTHS)
def test_invalid_content_length_is_refused(dialogue: Dialogue, length: bytes) -> None:
    head = dialogue.head(b"POST / HTTP/1.1", b"Content-Length: " + length)
    dialogue.assert_refused(head + b"hello", 400)


@pytest.mark.parametrize("length", [b"5, 5", b"5\r\nContent-Length: 5"])
def test_repeated_equal_length_is_refused(dialogue: Dialogue, length: bytes) -> None:
    head = dialogue.head(b"POST / HTTP/1.1", b"Content-Length: " + length)
    dialogue.assert_refused(head + b"hello", 400)


CODINGS = [
    *(b"xchunked", b"chunked, identity", b"\x0bchunked", b"identity", b"gzip", b"chunked;a"),
    *(b"chunked, chunked", b"chunked\r\nTransfer-Encoding: identity", b"", b"gzip, chunked"),
    *(b"chunked,", b'"chunked"', b"chunked\x00"),
]


@pytest.mark.parametrize("coding", CODINGS)
def test_other_transfer_coding_is_refused(dialogue: Dialogue, coding: bytes) -> None:
    head = dialogue.head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + coding)
    dialogue.assert_refused(head + b"0\r\n\r\n", 400, 501)


def test_transfer_encoding_in_http_1_0_is_refused(dialogue: Dialogue) -> None:
    head = dialogue.head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked")
    dialogue.assert_refused(head + b"0\r\n\r\n", 400)


def test_both_framings_are_refused(dialogue: Dialogue) -> None:
    for fields in (
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    ):
        head = dialogue.head(b"POST / HTTP/1.1", *fields)
        dialogue.assert_refused(head + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", 400)


HEADS = [
    (b"GET / HTTP/1.1\r\n%sA: b\r\n c\r\n\r\n", "folded line"),
    (b"GET / HTTP/1.1\n%s\n\n", "bare LF"),
    (b"GET / HTTP/1.1\r\n%sA: b\nC: d\r\n\r\n", "bare LF between fields"),
    (b"GET / HTTP/1.1\r\n%sA: b\rC: d\r\n\r\n", "bare CR"),
    (b"GET / HTTP/1.1\r\n%sA: b\x00c\r\n\r\n", "NUL"),
    (b"GET / HTTP/1.1\r\n%sA : b\r\n\r\n", "space before the colon"),
    (b"GET / HTTP/1.1\r\n A: b\r\n%s\r\n", "space before the first field"),
    (b"GET / HTTP/1.1\r\n%sA b\r\n\r\n", "no colon"),
    (b"GET / HTTP/1.1\r\n%s: b\r\n\r\n", "no name"),
    (b"GET / HTTP/1.1\r\n%sA(b): c\r\n\r\n", "name that is no token"),
    (b"GET  / HTTP/1.1\r\n%s\r\n", "two spaces"),
    (b"GET / x HTTP/1.1\r\n%s\r\n", "space in the target"),
    (b"GET /\r\n%s\r\n", "HTTP/0.9 with fields"),
    (b"GET / HTTP/1.1 \r\n%s\r\n", "space after the version"),
    (b"GET / HTTP/1.10\r\n%s\r\n", "long version"),
    (b"G\xe9T / HTTP/1.1\r\n%s\r\n", "method that is no token"),
    (b"GET x HTTP/1.1\r\n%s\r\n", "target that is no path"),
    (b"GET /\x7f HTTP/1.1\r\n%s\r\n", "DEL in the target"),
]


@pytest.mark.parametrize("head", [head for head, _ in HEADS], ids=[what for _, what in HEADS])
def test_invalid_head_is_refused(dialogue: Dialogue, head: bytes) -> None:
    dialogue.assert_refused(head % dialogue.host, 400, 505)


CHUNKS = [
    (b"5 \r\nhello\r\n0\r\n\r\n", "space"),
    (b"0x5\r\nhello\r\n0\r\n\r\n", "0x"),
    (b"+5\r\nhello\r\n0\r\n\r\n", "sign"),
    (b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n", "17 digits"),
    (b"\r\nhello\r\n0\r\n\r\n", "no digits"),
    (b"5\r\nhelloXX0\r\n\r\n", "no CRLF after the chunk"),
    (b"5\nhello\r\n0\r\n\r\n", "bare LF"),
    (b"5;" + b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n", "extension of 64 KiB"),
    (b"5;a\nb\r\nhello\r\n0\r\n\r\n", "bare LF in an extension"),
]


@pytest.mark.parametrize("body", [body for body, _ in CHUNKS], ids=[what for _, what in CHUNKS])
def test_invalid_chunk_never_ends_the_body_at_the_backend(dialogue: Dialogue, body: bytes) -> None:
    client = dialogue.send(b"POST /bad HTTP/1.1", b"Transfer-Encoding: chunked", body=body)
    assert client.head().status == 400
    wire = dialogue.send(b"GET /canary HTTP/1.1")
    first = dialogue.backend.next()
    head = first.head()
    if head.target == b"/bad":  # its head was forwarded: its end must not follow
        assert not first.rest().endswith(b"0\r\n\r\n")
        dialogue.backend.exchange()
    else:
        first.send(OK)
    assert wire.response().status == 200


@pytest.mark.parametrize("end", ["finish", "reset"])
def test_client_that_ends_in_a_chunk_sends_no_last_chunk(dialogue: Dialogue, end: str) -> None:
    body = b"5\r\nhello\r\n5\r\nhe"
    client = dialogue.send(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=body)
    wire = dialogue.backend.next()
    wire.until(b"hello")
    getattr(client, end)()
    assert b"0\r\n\r\n" not in wire.rest()


def test_client_that_ends_before_content_length_truncates_the_body(dialogue: Dialogue) -> None:
    client = dialogue.send(b"POST / HTTP/1.1", b"Content-Length: 10", body=b"hello")
    wire = dialogue.backend.next()
    wire.until(b"hello")
    client.finish()
    with pytest.raises(TruncatedError):
        wire.exactly(5)


def test_chunks_are_forwarded_without_extensions(dialogue: Dialogue) -> None:
    seen = dialogue.seen(
        b"POST / HTTP/1.1",
        b"Transfer-Encoding: chunked",
        body=b'5;a=b;c="d"\r\nhello\r\n00A;x\r\n0123456789\r\n0\r\n\r\n',
    )
    assert seen.body == b"hello0123456789"


def test_trailers_are_not_merged_into_the_head(dialogue: Dialogue) -> None:
    seen = dialogue.seen(
        b"POST / HTTP/1.1",
        b"Transfer-Encoding: chunked",
        b"Trailer: X-Sum",
        body=b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nAuthorization: evil\r\nContent-Length: 9\r\n"
        b"Host: evil\r\n\r\n",
    )
    assert seen.body == b"abc"
    assert not names(seen.headers) & {b"x-sum", b"authorization", b"content-length"}
    assert seen.get(b"Host") == f"127.0.0.1:{dialogue.proxy.port}".encode()
    assert not names(seen.trailers) & {b"authorization", b"content-length", b"host"}


# Unchanged parts


TARGETS = [
    *(b"/%2F", b"//", b"//evil.example/x", b"/a;b=c", b"/?", b"/?a;b&c=%zz", b"/a/../b", b"/%00"),
    *(b"/a%0d%0ab", b"/./", b"/a|b", b'/"', b"/" + b"x" * 16000),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:20].decode())
def test_target_is_forwarded_unchanged(dialogue: Dialogue, target: bytes) -> None:
    assert dialogue.seen(b"GET %b HTTP/1.1" % target).target == target


def test_fields_keep_their_order_case_and_bytes(dialogue: Dialogue) -> None:
    fields = [
        *((b"X-b", b"1"), (b"x-A", b"2"), (b"X-B", b"3"), (b"Empty", b"")),
        *((b"Cookie", b"a=b"), (b"X-Bytes", b"\x80\xff\xe9"), (b"Accept-Encoding", b"br")),
    ]
    seen = dialogue.seen(b"GET / HTTP/1.1", *(b"%b: %b" % field for field in fields))
    assert [field for field in seen.headers if field in fields] == fields
    assert b"user-agent" not in names(seen.headers)


def test_get_is_forwarded_without_a_body(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1")
    assert not names(seen.headers) & {b"content-length", b"transfer-encoding"}


def test_megabyte_arrives_intact(dialogue: Dialogue) -> None:
    body = bytes(range(256)) * 4096
    length = b"Content-Length: %d" % len(body)
    assert dialogue.seen(b"POST / HTTP/1.1", length, body=body).body == body
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    seen = dialogue.seen(b"POST / HTTP/1.1", b"Transfer-Encoding: Chunked", body=chunks)
    assert seen.body == body


def test_request_in_single_bytes_is_the_same(dialogue: Dialogue) -> None:
    """Segmentation by the network does not change a request."""
    fields = (b"Transfer-Encoding: chunked", b"X-Field: value")
    request = dialogue.head(b"POST / HTTP/1.1", *fields) + b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
    client = dialogue.client()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request:
        client.send(bytes([byte]))
    seen = dialogue.backend.exchange()
    assert (seen.body, seen.get(b"X-Field")) == (b"hello", b"value")
    assert client.response().status == 200


def test_host_is_forwarded_unchanged(dialogue: Dialogue) -> None:
    assert dialogue.seen(b"GET / HTTP/1.1", b"Host: App.Localhost:1234").get(b"Host") == (
        b"App.Localhost:1234"
    )


def test_http_1_0_needs_no_host(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.send(b"GET /old HTTP/1.0\r\n\r\n")
    assert dialogue.backend.exchange().target == b"/old"
    assert client.response().status == 200
    assert client.ended()


@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n"])
def test_http_1_1_without_one_host_is_refused(dialogue: Dialogue, host: bytes) -> None:
    dialogue.assert_refused(b"GET / HTTP/1.1\r\n%b\r\n" % host, 400)


def test_via_gets_the_proxys_entry(dialogue: Dialogue) -> None:
    via = dialogue.seen(b"GET / HTTP/1.1", b"Via: 1.1 first").get(b"Via")
    assert via is not None
    assert via.startswith(b"1.1 first, 1.1 ")


def test_request_with_the_proxys_own_via_gets_508(dialogue: Dialogue) -> None:
    via = dialogue.seen(b"GET / HTTP/1.1").get(b"Via")
    assert via is not None
    client = dialogue.send(b"GET / HTTP/1.1", b"Via: " + via)
    assert client.response().status == 508
    dialogue.assert_backend_saw_nothing()


# Forms of the target


def test_absolute_form_overrides_host(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET http://localhost:99/x?y HTTP/1.1", b"Host: other")
    assert (seen.target, seen.get(b"Host")) == (b"/x?y", b"localhost:99")


def test_options_asterisk_is_forwarded(dialogue: Dialogue) -> None:
    assert dialogue.seen(b"OPTIONS * HTTP/1.1").target == b"*"


def test_connect_is_refused(dialogue: Dialogue) -> None:
    head = dialogue.head(b"CONNECT 127.0.0.1:22 HTTP/1.1")
    dialogue.assert_refused(head, 400, 405)


# Limits


def test_long_request_line_gets_414(dialogue: Dialogue) -> None:
    dialogue.assert_refused(dialogue.head(b"GET /%b HTTP/1.1" % (b"x" * 17_000)), 414)


def test_big_head_gets_431(dialogue: Dialogue) -> None:
    fields = [b"X-%d: %b" % (number, b"x" * 1000) for number in range(70)]
    dialogue.assert_refused(dialogue.head(b"GET / HTTP/1.1", *fields), 431)


def test_too_many_fields_get_431(dialogue: Dialogue) -> None:
    fields = [b"X-%d: x" % number for number in range(201)]
    dialogue.assert_refused(dialogue.head(b"GET / HTTP/1.1", *fields), 431)
