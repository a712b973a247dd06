"""What a reader remembers of the last head makes no difference to what it reads in the next."""

from collections.abc import Callable

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.headers import Request, outgoing_request
from httpprocessproxy.core.http1 import MAX_LINE_BYTES, parse_request
from httpprocessproxy.core.reader import RequestReader
from test.core.heads import TRUSTED, VIA

FIELDS = {
    "plain": b"Host: a\r\nAccept: text/html\r\nVia: 1.1 b\r\n\r\n",
    "other": b"Host: b\r\nAccept: */*\r\nVia: 1.1 b\r\n\r\n",
    "body": b"Host: a\r\nContent-Length: 3\r\n\r\n",
    "chunked": b"Host: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
    "upgrade": b"Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "kept": b"Host: a\r\nConnection: keep-alive\r\n\r\n",
    "none": b"\r\n",
    "broken": b"Host : a\r\n\r\n",
}
LINES = [
    *(b"GET / HTTP/1.1", b"GET /x?y HTTP/1.1", b"HEAD / HTTP/1.1", b"POST / HTTP/1.1"),
    *(
        b"GET / HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"OPTIONS / HTTP/1.1",
        b"OPTIONS http://b HTTP/1.1",
    ),
    *(b"GET http://b/ HTTP/1.1", b"GET http://c/ HTTP/1.1", b"GET /HTTP/1.1 HTTP/1.1"),
    *(
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.2",
        b"GET /\xe9 HTTP/1.1",
        b"FROB / HTTP/1.1",
        b"GET * HTTP/1.1",
    ),
    b"GET /%b HTTP/1.1" % (b"x" * MAX_LINE_BYTES),
]


def read_alone(head: bytes) -> Request:
    return outgoing_request(parse_request(head), TRUSTED, VIA)


def outcome(read: Callable[[bytes], Request], head: bytes) -> Request | tuple[int, str]:
    try:
        return read(head)
    except RequestError as error:
        return error.status, str(error)


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_one_head_after_another(fields: bytes) -> None:
    for first in LINES:
        for second in LINES:
            reader = RequestReader(TRUSTED, VIA)
            for line in (first, second, first):
                head = line + b"\r\n" + fields
                assert outcome(reader.read, head) == outcome(read_alone, head)


def test_other_fields_are_read_anew() -> None:
    reader = RequestReader(TRUSTED, VIA)
    for fields in [*FIELDS.values(), *reversed(FIELDS.values())]:
        head = b"GET / HTTP/1.1\r\n" + fields
        assert outcome(reader.read, head) == outcome(read_alone, head)
