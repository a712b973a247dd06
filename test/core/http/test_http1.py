"""Parsing of heads, by section of RFC 9112: accepted heads, and the status of refused ones."""

import contextlib
import string
from collections.abc import Callable

import pytest

from httpprocessproxy.core.errors import PeerError, RequestError, ResponseError
from httpprocessproxy.core.http.http1 import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    Fields,
    RequestHead,
    ResponseHead,
    check_incomplete,
    parse_request,
    parse_response,
)

TOKEN = bytes(sorted(b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode()))
VISIBLE = bytes(range(0x21, 0x7F))
IN_VALUES = b"\t " + VISIBLE + bytes(range(0x80, 0x100))  # RFC 9110 section 5.5

WHOLE_FIELD_SECTIONS = [
    pytest.param(b"", [], id="no fields"),
    pytest.param(b"A: b\r\nC: d\r\n", [(b"A", b"b"), (b"C", b"d")], id="order"),
    pytest.param(b"a: 1\r\nB: 2\r\nA: 3\r\n", [(b"a", b"1"), (b"B", b"2"), (b"A", b"3")], id="dup"),
    pytest.param(b"A:\r\nB: x\r\n", [(b"A", b""), (b"B", b"x")], id="empty value"),
    pytest.param(b"A: \t \r\nB: x\r\n", [(b"A", b""), (b"B", b"x")], id="white value"),
    pytest.param(b"A:b\r\n", [(b"A", b"b")], id="no white space"),
    pytest.param(b"A:\t b c\t \r\n", [(b"A", b"b c")], id="white space around a value"),
    pytest.param(b"A: caf\xe9 \xff\r\n", [(b"A", b"caf\xe9 \xff")], id="obs-text"),
    pytest.param(b'A: "x\\"y", (c)\r\n', [(b"A", b'"x\\"y", (c)')], id="quotes"),
    pytest.param(TOKEN + b": x\r\n", [(TOKEN, b"x")], id="every token character"),
]

BROKEN_FIELD_SECTIONS = [
    # section 2.2: bare CR and LF
    *(b"A: b\n", b"A: b\rC: d\r\n", b"A: b\n\nC: d\r\n", b"A:\nB: c\r\n", b"A:\rB: c\r\n"),
    *(b"A: b\r\n\nC: d\r\n", b"A: b\r\r\n", b"\nA: b\r\n", b"\rA: b\r\n"),
    # section 2.2: white space after the first line; section 5.2: obs-fold
    *(b" A: b\r\n", b"\tA: b\r\n", b"A: b\r\n c\r\n", b"A: b\r\n\tc\r\n", b"A:\r\n b\r\n"),
    b"A: b\r\n \r\nC: d\r\n",
    # section 5.1: white space before the colon, and lines that are not field lines
    *(b"A : b\r\n", b"A\t: b\r\n", b"A\r\n", b": b\r\n", b"A B: c\r\n", b"A\x00: b\r\n"),
    *(b"A: b\x00c\r\n", b"A: \x7f\r\n", b"\xe9: b\r\n", b"(A): b\r\n"),
    # section 6.2 and RFC 9110 section 8.6: Content-Length
    *(
        b"Content-Length: %b\r\n" % value
        for value in (b"+5", b"-1", b"0x5", b"1_0", b"5 5", b"1e1")
    ),
    *(b"Content-Length: %b\r\n" % value for value in (b"", b"5,", b"5, 5", b"5;", b'"5"', b"1.0")),
    *(b"Content-Length: %b\r\n" % value for value in (b"\xb2", b"9" * 21, b"18446744073709551616")),
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5\r\ncontent-length: 5\r\n",
    # section 6.1: both ways of framing at once
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding:\r\n",
]


def request(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def response(fields: bytes = b"", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def refusal(head: bytes) -> int:
    with pytest.raises(RequestError) as caught:
        parse_request(head)
    return caught.value.status


def bytes_read(read: Callable[[bytes], bytes], form: bytes) -> bytes:
    """Return the bytes that `read` accepts unchanged in the place of `%b` in `form`."""
    taken = b""
    for byte in (bytes([number]) for number in range(256)):
        with contextlib.suppress(PeerError):
            if read(byte) == form % byte:
                taken += byte
    return taken


# Section 3: the request line


@pytest.mark.parametrize(
    ("line", "method", "target", "is_http10"),
    [
        (b"GET / HTTP/1.1", b"GET", b"/", False),
        (b"GET / HTTP/1.0", b"GET", b"/", True),
        (b"POST /a%2Fb//c/../d;e?f=g?&%00 HTTP/1.1", b"POST", b"/a%2Fb//c/../d;e?f=g?&%00", False),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS", b"*", False),
        (b"GET http://a:1/b HTTP/1.1", b"GET", b"http://a:1/b", False),
        (b"CONNECT a:443 HTTP/1.1", b"CONNECT", b"a:443", False),
        (b"M-SEARCH * HTTP/1.1", b"M-SEARCH", b"*", False),
        (b"PROPFIND / HTTP/1.1", b"PROPFIND", b"/", False),
        (b"QUERY / HTTP/1.1", b"QUERY", b"/", False),
        (b"FROB / HTTP/1.1", b"FROB", b"/", False),
        (b"get / HTTP/1.0", b"get", b"/", True),
        (b"DESCRIBE / HTTP/1.1", b"DESCRIBE", b"/", False),
        (b"VERSION-CONTROL /\xc3\xa9 HTTP/1.1", b"VERSION-CONTROL", b"/\xc3\xa9", False),
        (b"GET /\xc3\xbcber?q=\xff HTTP/1.1", b"GET", b"/\xc3\xbcber?q=\xff", False),
        (b"GET /" + VISIBLE + b" HTTP/1.1", b"GET", b"/" + VISIBLE, False),
    ],
)
def test_valid_request_line_is_parsed(
    line: bytes, method: bytes, target: bytes, is_http10: bool
) -> None:
    head = parse_request(request(b"Host: a\r\n", line))
    assert head == RequestHead(method, target, is_http10, [(b"Host", b"a")])


@pytest.mark.parametrize(
    ("line", "status"),
    [
        *((line, 400) for line in (b"", b"GET", b"GET /", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1")),
        *((line, 400) for line in (b" GET / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET\t/\tHTTP/1.1")),
        *((line, 400) for line in (b"GET /a b HTTP/1.1", b"GET / http/1.1", b"GET / HTTP/1.1\r")),
        *((line, 400) for line in (b"GET / HTTP/11", b"GET / HTTP/1.1.1", b"GET / HTTP/1,1")),
        *((line, 400) for line in (b"GET / HTTP/1.1\nA: b", b"GET HTTP/1.1")),
        *((line, 400) for line in (b"GET / \xc3\xa9 HTTP/1.1", b"GET /\x7f HTTP/1.1")),
        *((line, 400) for line in (b"G(T / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"G\xc9T / HTTP/1.1")),
        *((line, 400) for line in (b"GET a HTTP/1.1", b"GET a:443 HTTP/1.1")),
        *((line, 400) for line in (b"PRI / HTTP/1.1", b"\x16\x03\x01")),
        *((line, 505) for line in (b"PRI * HTTP/2.0", b"GET / HTTP/0.9", b"GET / HTTP/1.2")),
        *((line, 505) for line in (b"GET / HTTP/2.0", b"GET / HTTP/3.0", b"GET  / HTTP/9.9")),
    ],
)
def test_invalid_request_line_is_refused(line: bytes, status: int) -> None:
    assert refusal(request(b"Host: a\r\n", line)) == status


def test_target_accepts_visible_and_high_bytes() -> None:
    def read(byte: bytes) -> bytes:
        return parse_request(request(line=b"GET /a%bb HTTP/1.1" % byte)).target

    assert bytes_read(read, b"/a%bb") == VISIBLE + bytes(range(0x80, 0x100))


def test_empty_line_before_a_request_gets_400() -> None:
    assert refusal(b"\r\n" + request()) == 400


# Section 5: fields


@pytest.mark.parametrize(("section", "fields"), WHOLE_FIELD_SECTIONS)
def test_valid_field_section_is_parsed(section: bytes, fields: Fields) -> None:
    assert parse_request(request(section)).fields == fields
    assert parse_response(response(section)).fields == fields


@pytest.mark.parametrize("section", BROKEN_FIELD_SECTIONS)
def test_invalid_field_section_is_refused(section: bytes) -> None:
    assert refusal(request(section)) == 400
    with pytest.raises(ResponseError):
        parse_response(response(section))


def test_field_value_accepts_the_bytes_of_rfc_9110() -> None:
    def in_request(byte: bytes) -> bytes:
        return parse_request(request(b"A: b%bc\r\n" % byte)).fields[0][1]

    def in_response(byte: bytes) -> bytes:
        return parse_response(response(b"A: b%bc\r\n" % byte)).fields[0][1]

    assert bytes_read(in_request, b"b%bc") == IN_VALUES
    assert bytes_read(in_response, b"b%bc") == IN_VALUES


def test_field_name_accepts_token_bytes_only() -> None:
    def in_request(byte: bytes) -> bytes:
        return parse_request(request(b"A%bB: c\r\n" % byte)).fields[0][0]

    def in_response(byte: bytes) -> bytes:
        return parse_response(response(b"A%bB: c\r\n" % byte)).fields[0][0]

    assert bytes_read(in_request, b"A%bB") == TOKEN
    assert bytes_read(in_response, b"A%bB") == TOKEN


# Section 6: framing errors that llhttp detects; test_headers.py has the others


@pytest.mark.parametrize(
    "value", [b"gzip", b"chunked, gzip", b"xchunked", b"identity", b"chunked, chunked", b"chunked,"]
)
def test_request_whose_last_coding_is_not_chunked_gets_400(value: bytes) -> None:
    assert refusal(request(b"Transfer-Encoding: %b\r\n" % value)) == 400


def test_request_that_is_chunked_twice_gets_400() -> None:
    assert refusal(request(b"Transfer-Encoding: chunked\r\n" * 2)) == 400


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_request_with_upgrade_is_checked_completely(fields: bytes) -> None:
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    assert len(parse_request(request(upgrade + fields)).fields) == 3
    assert refusal(request(upgrade + fields + b"Content-Length: 6\r\n")) == 400
    assert refusal(request(upgrade + b"A : b\r\n")) == 400


# Limits


def line_of(size: int) -> bytes:
    return b"GET /" + b"a" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"


def padding(size: int) -> bytes:
    """Return one field line of `size` bytes."""
    return b"A: " + b"b" * (size - len(b"A: \r\n")) + b"\r\n"


def test_request_line_above_the_limit_gets_414() -> None:
    assert parse_request(request(line=line_of(MAX_LINE_BYTES))).method == b"GET"
    assert refusal(request(line=line_of(MAX_LINE_BYTES + 1))) == 414


def test_request_head_above_the_limit_gets_431() -> None:
    space = MAX_HEAD_BYTES - len(request())
    assert len(parse_request(request(padding(space))).fields) == 1
    assert refusal(request(padding(space + 1))) == 431


def test_request_with_too_many_fields_gets_431() -> None:
    assert len(parse_request(request(b"A: b\r\n" * MAX_FIELDS)).fields) == MAX_FIELDS
    assert refusal(request(b"A: b\r\n" * (MAX_FIELDS + 1))) == 431


def test_response_head_above_the_limit_raises_response_error() -> None:
    space = MAX_HEAD_BYTES - len(response())
    assert len(parse_response(response(padding(space))).fields) == 1
    with pytest.raises(ResponseError, match="65536"):
        parse_response(response(padding(space + 1)))


# Incomplete heads


@pytest.mark.parametrize(
    "head",
    [
        request(b"Host: a\r\nA: b\r\n"),
        request(padding(MAX_HEAD_BYTES - len(request()))),
        request(line=line_of(MAX_LINE_BYTES)),
    ],
    ids=["small", "large head", "long line"],
)
def test_beginning_of_a_valid_head_is_accepted(head: bytes) -> None:
    step = max(1, len(head) // 50)
    for end in [*range(0, len(head), step), *range(len(head) - 5, len(head))]:
        check_incomplete(head[:end])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\rC", 400),
        (b"\n", 400),
        (b"\r\r", 400),
        (b"G" * (MAX_LINE_BYTES + 2), 414),
        (line_of(MAX_LINE_BYTES + 1) + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + padding(MAX_HEAD_BYTES), 431),
    ],
)
def test_beginning_of_an_invalid_head_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        check_incomplete(data)
    assert caught.value.status == status


# Section 4: the status line


@pytest.mark.parametrize(
    ("line", "head"),
    [
        (b"HTTP/1.1 200 OK", ResponseHead(200, b"OK", False, [])),
        (b"HTTP/1.0 404 Not Found", ResponseHead(404, b"Not Found", True, [])),
        (b"HTTP/1.1 200 ", ResponseHead(200, b"", False, [])),
        (b"HTTP/1.1 200", ResponseHead(200, b"", False, [])),
        (b"HTTP/1.1 100 Continue", ResponseHead(100, b"Continue", False, [])),
        (b"HTTP/1.1 999 \tcaf\xe9 ", ResponseHead(999, b"\tcaf\xe9 ", False, [])),
    ],
)
def test_valid_status_line_is_parsed(line: bytes, head: ResponseHead) -> None:
    assert parse_response(response(line=line)) == head


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 20 OK", b"HTTP/1.1 2x0 OK"),
        *(b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 0 OK"),
        *(b"HTTP/1.1 099 OK", b"HTTP/1.1 000 OK", b"HTTP/1.1 -20 OK", b"HTTP/1.1\t200 OK"),
        *(b"HTTP/1.1  200 OK", b"HTTP/1.1 200OK", b"HTTP/1.1 200\tOK", b" HTTP/1.1 200 OK"),
        *(b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK"),
        *(b"ICY 200 OK", b"RTSP/1.0 200 OK", b"<html>"),
        *(b"HTTP/1.1 200 OK\nA: b", b"HTTP/1.1 200\rA: b"),
    ],
)
def test_invalid_status_line_raises_response_error(line: bytes) -> None:
    with pytest.raises(ResponseError):
        parse_response(response(line=line))


def test_reason_accepts_the_bytes_of_a_field_value() -> None:
    def read(byte: bytes) -> bytes:
        return parse_response(response(line=b"HTTP/1.1 200 a%bb" % byte)).reason

    assert bytes_read(read, b"a%bb") == IN_VALUES


def test_response_with_upgrade_is_parsed_completely() -> None:
    fields = b"Upgrade: websocket\r\nConnection: upgrade\r\nA: b\r\n"
    head = parse_response(response(fields, b"HTTP/1.1 101 Switching Protocols"))
    assert head.status == 101
    assert head.fields[2] == (b"A", b"b")


@pytest.mark.parametrize("value", [b"gzip", b"gzip, chunked", b"chunked, gzip"])
def test_response_with_another_coding_is_parsed(value: bytes) -> None:
    fields = [(b"Transfer-Encoding", value)]
    assert parse_response(response(b"Transfer-Encoding: %b\r\n" % value)).fields == fields
