"""Parts of a head: a request line, the beginning of a response, lines that the proxy writes."""

import pytest

from httpprocessproxy.core.errors import RequestError, ResponseError
from httpprocessproxy.core.http.http1 import (
    MAX_HEAD_BYTES,
    check_incomplete_response,
    check_request_line,
    connection_option,
    parse_request,
    without_alt_svc,
)


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"FROB http://a/ HTTP/1.0"])
def test_valid_request_line_passes_the_check(line: bytes) -> None:
    check_request_line(line)
    parse_request(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"", 400), (b"GET /", 400), (b"GET / HTTP/1.1\r", 400), (b"PRI * HTTP/2.0", 505)],
)
def test_invalid_request_line_is_refused_as_in_a_head(line: bytes, status: int) -> None:
    with pytest.raises(RequestError) as alone:
        check_request_line(line)
    with pytest.raises(RequestError) as in_head:
        parse_request(line + b"\r\n\r\n")
    assert alone.value.status == in_head.value.status == status


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"x" * MAX_HEAD_BYTES,
    ],
    ids=["empty", "cut line", "cut line end", "whole lines", "longest"],
)
def test_beginning_of_a_response_is_accepted(data: bytes) -> None:
    check_incomplete_response(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200 OK\n", "CRLF"),
        (b"HTTP/1.1 200 OK\r\nA: b\n", "CRLF"),
        (b"x" * (MAX_HEAD_BYTES + 1), "65536 bytes"),
    ],
    ids=["bare LF", "bare LF after a line", "too long"],
)
def test_beginning_of_an_invalid_response_raises_response_error(data: bytes, reason: str) -> None:
    with pytest.raises(ResponseError, match=reason):
        check_incomplete_response(data)


@pytest.mark.parametrize(
    ("head", "left"),
    [
        (b"A: 1", b"A: 1"),
        (b"ALT-SVC : h3\r\nA: 1", b"A: 1"),
        (b"alt-svc:a,\r\n\t b\r\nA: 1\r\nAlt-Svc:", b"A: 1"),
        (b"X-Alt-Svc: alt-svc: y", b"X-Alt-Svc: alt-svc: y"),
    ],
)
def test_alt_svc_is_removed_with_its_folded_lines(head: bytes, left: bytes) -> None:
    first, end = b"HTTP/1.1 200 alt-svc: x\r\n", b"\r\n\r\n"
    assert without_alt_svc(first + head + end) == first + left + end


@pytest.mark.parametrize(
    ("keep_alive", "is_http10", "line"),
    [
        (True, False, b""),
        (True, True, b"Connection: keep-alive\r\n"),
        (False, False, b"Connection: close\r\n"),
        (False, True, b"Connection: close\r\n"),
    ],
)
def test_connection_line_by_version_and_persistence(
    keep_alive: bool, is_http10: bool, line: bytes
) -> None:
    assert connection_option(keep_alive=keep_alive, is_http10=is_http10) == line
