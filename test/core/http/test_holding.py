"""Held responses: the number of body bytes after which a response is passed on."""

import pytest

from httpprocessproxy.core.http.holding import MAX_WHOLE_BYTES, HeldResponse, length_of
from httpprocessproxy.core.http.request import Request
from test.core.http.heads import answered, sent

GET, POST = sent(), sent(line=b"POST / HTTP/1.1")
LENGTH = b"Content-Length: %d"
CHUNKED = b"Transfer-Encoding: chunked"
EVENTS = b"content-type:text/event-stream; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("fields", "request_", "awaited_bytes"),
    [
        (LENGTH % 5, GET, 5),
        (LENGTH % MAX_WHOLE_BYTES, GET, MAX_WHOLE_BYTES),
        (LENGTH % (MAX_WHOLE_BYTES + 1), GET, 1),
        (CHUNKED, GET, 1),
        (b"A: 1", GET, 1),  # delimited by the end of the connection
        (EVENTS + CHUNKED, GET, 0),
        (LENGTH % 5, POST, 0),
        (CHUNKED, POST, 0),
    ],
)
def test_response_is_held_until_the_awaited_bytes(
    fields: bytes, request_: Request, awaited_bytes: int
) -> None:
    held = HeldResponse(answered(b"HTTP/1.1 200 OK\r\n" + fields, request_), request_, b"")
    assert held.is_due is (awaited_bytes == 0)
    if awaited_bytes > 1:
        held.add(b"x" * (awaited_bytes - 1))
        assert not held.is_due
    if awaited_bytes:
        held.add(b"x")
    assert held.is_due
    assert held.body == b"x" * awaited_bytes


@pytest.mark.parametrize(
    ("fields", "length"), [(LENGTH % 0, 0), (LENGTH % 70_000, 70_000), (CHUNKED, None)]
)
def test_length_of_a_response_is_its_content_length(fields: bytes, length: int | None) -> None:
    assert length_of(answered(b"HTTP/1.1 200 OK\r\nA: 1\r\n" + fields, GET)) == length
