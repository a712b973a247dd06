"""Interceptors and hosts in front of the cache of heads, and the bounds of the cache."""

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.headers import outgoing_request, outgoing_response
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.http1 import Fields, RequestHead, parse_request, parse_response
from httpprocessproxy.core.http.reader import (
    MAX_CACHED_BYTES,
    MAX_CACHED_FIELDS,
    MAX_CACHED_LINE_BYTES,
    MAX_CACHED_SET_BYTES,
    RequestReader,
    ResponseReader,
)
from test.core.http.heads import TRUSTED, VIA


class RecordingInterceptors:
    """Takes requests with the field `X-Take`; removes `X-Drop` from all others; counts calls."""

    def __init__(self) -> None:
        self.count = 0

    def takes(self, head: RequestHead) -> bool:
        self.count += 1
        return (b"X-Take", b"1") in head.fields

    def passing(self, fields: Fields) -> Fields:
        return [field for field in fields if field[0] != b"X-Drop"]


def test_intercepted_request_keeps_its_fields_and_is_never_cached() -> None:
    interceptors = RecordingInterceptors()
    reader = RequestReader(TRUSTED, VIA, interceptors=interceptors)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Take: 1\r\nX-Drop: 1\r\n\r\n"
    for _ in range(3):
        request = reader.read(head)
        assert request.is_intercepted
        assert b"X-Drop: 1\r\n" in request.head
    assert interceptors.count == 3


def test_other_request_passes_without_the_interceptors_fields_and_is_cached() -> None:
    interceptors = RecordingInterceptors()
    reader = RequestReader(TRUSTED, VIA, interceptors=interceptors)
    for target in (b"/a", b"/b", b"/c"):
        request = reader.read(b"GET %b HTTP/1.1\r\nHost: a\r\nX-Drop: 1\r\n\r\n" % target)
        assert not request.is_intercepted
        assert request.target == target
        assert b"X-Drop" not in request.head
    assert interceptors.count == 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ],
)
def test_host_of_each_request_is_checked(head: bytes, status: int) -> None:
    reader = RequestReader(TRUSTED, VIA, HostRule((), "localhost"))
    statuses = []
    for _ in range(2):
        try:
            reader.read(head)
            statuses.append(200)
        except RequestError as error:
            statuses.append(error.status)
    assert statuses == [status, status]


def with_field_of(size: int, number: int = 0) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"%d" % number).ljust(size, b"x")


def test_set_of_fields_above_the_limit_is_not_cached() -> None:
    reader = RequestReader(TRUSTED, VIA)
    small, large = with_field_of(1), with_field_of(MAX_CACHED_SET_BYTES)
    assert reader.read(small).rest is reader.read(small).rest
    assert reader.read(large).rest is not reader.read(large).rest
    assert reader.read(small).rest is reader.read(small).rest, "the small set is still cached"


@pytest.mark.parametrize(
    ("size", "count"),
    [(1, MAX_CACHED_FIELDS + 1), (7000, MAX_CACHED_BYTES // 14_000 + 1)],
    ids=["number", "bytes"],
)
def test_cached_sets_of_fields_are_bounded(size: int, count: int) -> None:
    reader = RequestReader(TRUSTED, VIA)
    heads = [with_field_of(size, number) for number in range(count)]
    cached = [reader.read(head).rest for head in heads]
    assert reader.read(heads[-1]).rest is cached[-1]
    assert reader.read(heads[0]).rest is not cached[0], "the first set was removed"
    assert reader.read(heads[0]).rest == cached[0]


def test_line_of_a_response_above_the_limit_is_not_cached() -> None:
    request = outgoing_request(parse_request(with_field_of(1)), TRUSTED, VIA)
    reader = ResponseReader()
    for size, is_cached in ((MAX_CACHED_LINE_BYTES, True), (MAX_CACHED_LINE_BYTES + 1, False)):
        line = b"X: ".ljust(size, b"x")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\n\r\n" % line
        assert reader.read(head, request) is None
        reader.learn(head, outgoing_response(parse_response(head), request))
        assert (reader.read(head, request) is not None) is is_cached
