"""Cached heads give the same requests and responses as parsed ones."""

import contextlib
import dataclasses
from collections.abc import Callable

import pytest

from httpprocessproxy.core.errors import RequestError, ResponseError
from httpprocessproxy.core.http.bodies import Length
from httpprocessproxy.core.http.headers import outgoing_request, outgoing_response
from httpprocessproxy.core.http.http1 import MAX_LINE_BYTES, parse_request, parse_response
from httpprocessproxy.core.http.reader import MAX_CACHED_LINES, RequestReader, ResponseReader
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.page.documents import asks_for_document
from test.core.http.heads import TRUSTED, VIA

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


def read_uncached(head: bytes) -> Request:
    parsed = parse_request(head)
    request = outgoing_request(parsed, TRUSTED, VIA)
    request.is_document = asks_for_document(parsed.fields)
    return request


def outcome(read: Callable[[bytes], Request], head: bytes) -> Request | tuple[int, str]:
    try:
        return read(head)
    except RequestError as error:
        return error.status, str(error)


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_sequence_of_requests_is_read_as_without_cache(fields: bytes) -> None:
    for first in LINES:
        for second in LINES:
            reader = RequestReader(TRUSTED, VIA)
            for line in (first, second, first):
                head = line + b"\r\n" + fields
                assert outcome(reader.read, head) == outcome(read_uncached, head)


@pytest.mark.parametrize("behind", [b"", b"abc", b"GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n"])
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_sequence_of_requests_is_taken_as_without_cache(fields: bytes, behind: bytes) -> None:
    for first in LINES:
        for second in LINES:
            reader = RequestReader(TRUSTED, VIA)
            for line in (first, second, first, first, second):
                head = line + b"\r\n" + fields

                def take(head: bytes, reader: RequestReader = reader) -> Request:
                    taken = reader.take(head + behind)
                    assert taken is not None
                    assert taken[1] == behind
                    return taken[0]

                assert outcome(take, head) == outcome(read_uncached, head)


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_incomplete_head_is_not_taken(fields: bytes) -> None:
    reader = RequestReader(TRUSTED, VIA)
    head = b"GET /x HTTP/1.1\r\n" + fields
    with contextlib.suppress(RequestError):
        reader.take(head)
        reader.take(head)
    for end in range(len(head)):
        assert reader.take(head[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a\r\nHost: b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_data_similar_to_the_last_head_is_read_as_without_cache(data: bytes) -> None:
    def take(reader: RequestReader) -> object:
        try:
            return reader.take(data)
        except RequestError as error:
            return error.status, str(error)

    cached = RequestReader(TRUSTED, VIA)
    for _ in range(3):
        cached.take(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert take(cached) == take(RequestReader(TRUSTED, VIA))


def test_other_set_of_fields_is_read_as_without_cache() -> None:
    reader = RequestReader(TRUSTED, VIA)
    for fields in [*FIELDS.values(), *reversed(FIELDS.values())]:
        head = b"GET / HTTP/1.1\r\n" + fields
        assert outcome(reader.read, head) == outcome(read_uncached, head)


# Responses

RESPONSES = [
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nServer: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nConnection: close, Server\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length:2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection:close\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection:close: x\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: x \r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200\r\nServer: x\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nServer: x\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nServer: x\r\nContent-Length: 2\r\n\r\n",
]
HTTP_DATE = b"Sun, 06 Nov 1994 08:49:%b GMT"
RESPONSES += [
    b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n"
    % b"".join(b"%b: %b\r\n" % field for field in fields)
    for modified in (b"35", b"36", b"40")
    for last in [(b"Last-Modified", HTTP_DATE % modified)]
    for date in [(b"Date", HTTP_DATE % b"37")]
    for fields in (
        *([date, last], [last, (b"X", b"y"), date], [last], [date, last, (b"Cache-Control", b"x")]),
        *([last, (b"expires", b"0"), date], [date, (b"last-modified", b"x")], [date, last, last]),
        *([(b"Date", b"x"), last], [date, last, (b"ETag", b'"2ebc98a0"')]),
    )
]
RESPONSES += [
    b"HTTP/1.1 302 Found\r\n%b\r\nServer: x\r\nContent-Length: 2\r\n\r\n" % line
    for line in (
        *(b"Location: http://localhost:8001/", b"Location: /a", b"Refresh: 0;url=//localhost:8001"),
        *(b"Strict-Transport-Security: max-age=1", b"Server: y"),
    )
]
ASKED = [
    read_uncached(b"%b HTTP/1.1\r\nHost: %b\r\n\r\n" % asked)
    for asked in ((b"GET /", b"a"), (b"HEAD /", b"a"), (b"GET /", b"localhost"))
]
RULES = ResponseFields()


def respond(reader: ResponseReader | None, head: bytes, request: Request) -> object:
    """Return the response for the client, with the reader's cache or without a reader."""
    try:
        response = reader.read(head, request) if reader is not None else None
        if response is None:
            mended = RULES.mend(parse_response(head), request, 8001, 784111777.0)
            response = outgoing_response(mended, request)
            if reader is not None:
                reader.learn(head, response)
    except ResponseError as error:
        return str(error)
    body = type(response.body), getattr(response.body, "remaining", None)
    return (
        dataclasses.replace(response, body=Length(0)).head,
        response.status,
        body,
        (
            response.client_keep_alive,
            response.backend_keep_alive,
        ),
    )


@pytest.mark.parametrize("request_", ASKED, ids=["GET", "HEAD", "localhost"])
def test_sequence_of_responses_is_read_as_without_cache(request_: Request) -> None:
    for first in RESPONSES:
        for second in RESPONSES:
            reader = ResponseReader()
            for head in (first, second, first, second):
                assert respond(reader, head, request_) == respond(None, head, request_)


def test_head_of_cached_lines_is_not_parsed() -> None:
    reader = ResponseReader()
    respond(reader, RESPONSES[0], ASKED[0])
    assert reader.read(RESPONSES[0], ASKED[0]) is not None
    assert reader.read(RESPONSES[1], ASKED[0]) is None


@pytest.mark.parametrize("modified", [b"35", b"37"])
def test_head_with_last_modified_is_cached_if_it_is_a_validator(modified: bytes) -> None:
    reader = ResponseReader()
    lines = HTTP_DATE % b"37", HTTP_DATE % modified
    head = b"HTTP/1.1 200 OK\r\nDate: %b\r\nLast-Modified: %b\r\nContent-Length: 2\r\n\r\n" % lines
    respond(reader, head, ASKED[0])
    assert (reader.read(head, ASKED[0]) is not None) == (modified == b"35")


def test_hsts_of_a_cached_head_depends_on_the_host() -> None:
    reader = ResponseReader()
    line = b"Strict-Transport-Security: max-age=1\r\n"
    head = b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n" % line
    respond(reader, head, ASKED[0])
    for request, passes in ((ASKED[0], True), (ASKED[2], False), (ASKED[0], True)):
        response = reader.read(head, request)
        assert response is not None
        assert (line in response.head) == passes


def test_cached_lines_are_bounded() -> None:
    reader = ResponseReader()
    for number in range(3 * MAX_CACHED_LINES):
        respond(reader, b"HTTP/1.1 200 OK\r\nETag: %d\r\n\r\n" % number, ASKED[0])
    assert len(reader._lines) <= MAX_CACHED_LINES


@pytest.mark.parametrize(
    ("location", "is_cached"), [(b"/a", False), (b"//a/", False), (b"a", True)]
)
def test_path_in_a_response_to_a_stripped_request_is_not_cached(
    location: bytes, is_cached: bool
) -> None:
    reader = ResponseReader(strips=True)
    head = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
    respond(reader, head, ASKED[0])
    assert (reader.read(head, ASKED[0]) is not None) == is_cached
