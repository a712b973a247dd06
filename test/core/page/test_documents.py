"""Requests and responses of documents, and the changed head of a page with the script."""

import pytest

from httpprocessproxy.core.http.headers import outgoing_response
from httpprocessproxy.core.http.http1 import Fields, parse_response
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.documents import Injector
from test.core.http.heads import TRUSTED, VIA
from test.core.http.strict import read_head

NAVIGATION = b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TAG = b'<script src="/_hpp/client.js"></script>'
HTML = b"Content-Type: text/html; charset=utf-8"
FETCHED = (b"cors", b"no-cors", b"same-origin")  # modes that a script may choose


def read(*lines: bytes, method: bytes = b"GET", injects: bool = True) -> Request:
    head = [method + b" /page?q HTTP/1.1", b"Host: a", *lines, b"", b""]
    injector = RecordingInjector().injector if injects else None
    return RequestReader(TRUSTED, VIA, injector=injector).read(b"\r\n".join(head))


def value(head: bytes, name: bytes) -> bytes | None:
    _, fields = read_head(head)
    found = [value for key, value in fields if key.lower() == name.lower()]
    assert len(found) < 2
    return found[0] if found else None


# Requests


@pytest.mark.parametrize(
    "lines",
    [
        [b"Sec-Fetch-Dest: document", b"Accept: */*"],
        [b"sec-fetch-dest: IFRAME"],
        [b"Sec-Fetch-Dest: frame"],
        # Sent through a service worker
        [b"Sec-Fetch-Dest: empty", b"Sec-Fetch-Mode: navigate", NAVIGATION],
        [NAVIGATION],
        [b"Accept: application/json;q=0.5, Text/HTML;level=1"],
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_request_for_a_document_is_recognized(lines: list[bytes], method: bytes) -> None:
    request = read(*lines, b"accept-Encoding: gzip, br", b"X: y", method=method)
    assert request.is_document
    assert value(request.head, b"Accept-Encoding") == b"identity"
    assert read(*lines, method=method, injects=False).is_document


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"Accept: */*"],
        [b"Sec-Fetch-Dest: empty", b"Sec-Fetch-Mode: navigate"],  # <a download>
        [b"Accept: text/*, application/xhtml+xml"],
        [b"Accept: text/html;q=0, */*"],
        [b"Accept: text/html-like"],
        *([b"Sec-Fetch-Dest: " + dest, NAVIGATION] for dest in (b"empty", b"script", b"object")),
        *([b"Sec-Fetch-Dest: empty", b"Sec-Fetch-Mode: " + mode, NAVIGATION] for mode in FETCHED),
        *(
            [NAVIGATION, b"Sec-Fetch-Dest: document", line]
            for line in (
                *(b"HX-Request: true", b"Turbo-Frame: x", b"X-Requested-With: XMLHttpRequest"),
                *(b"X-PJAX: true", b"x-up-version: 3", b"X-Up-Target: main", b"Range: bytes=0-1"),
                *(b"X-Alpine-Request: true", b"Datastar-Request: true", b"X-Turbo-Request-Id: 1"),
            )
        ),
    ],
)
def test_request_for_other_content_passes_unchanged(lines: list[bytes]) -> None:
    request = read(*lines, b"Accept-Encoding: gzip")
    assert not request.is_document
    assert request.head == read(*lines, b"Accept-Encoding: gzip", injects=False).head


def test_conditional_request_for_a_document_is_unmarked() -> None:
    conditions = [b'If-None-Match: "a", "b-hpp-0urs"', b"If-Modified-Since: x"]
    request = read(NAVIGATION, *conditions)
    assert value(request.head, b"If-None-Match") == b'"b"'
    assert read(*conditions).head == read(*conditions, injects=False).head


def test_cached_request_for_a_document_is_recognized() -> None:
    reader = RequestReader(TRUSTED, VIA, injector=RecordingInjector().injector)
    fields = b" HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n" + NAVIGATION + b"\r\n\r\n"
    first, second = (reader.read(b"GET " + path + fields) for path in (b"/a", b"/b"))
    assert first.is_document
    assert second.is_document
    assert second.head == first.head.replace(b"/a", b"/b", 1)


# Responses


class RecordingInjector:
    """An injector, and the lines that it reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.injector = Injector(b"0urs", self.lines.append, b"sha384-x")

    def inject(
        self, *lines: bytes, rest: bytes = b"x", status: bytes = b"200 OK", method: bytes = b"GET"
    ) -> tuple[Response, Response | None]:
        """Return the response without the injector, and the injector's result."""
        request = read(NAVIGATION, method=method)
        raw = b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""])
        head = parse_response(raw)
        plain = outgoing_response(head, request)
        return plain, self.injector.inject(head, plain, request, rest)


def injected(
    *lines: bytes, rest: bytes = b"x", status: bytes = b"200 OK", method: bytes = b"GET"
) -> Response:
    plain, response = RecordingInjector().inject(*lines, rest=rest, status=status, method=method)
    assert response is not None
    assert response is not plain
    return response


def fields(response: Response) -> Fields:
    return read_head(response.head + b"\r\n")[1]


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Type: text/html",
        b"content-type: Text/HTML ;charset=UTF-8",
        b'Content-Type: text/html; charset="iso-8859-1"; x=y',
        b"Content-Type: text/html; x-charset=utf-16",
        b"Content-Type: text/html;",
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500 Oops", b"302 Found"])
def test_html_response_gets_the_script(line: bytes, status: bytes) -> None:
    response = injected(line, b"Content-Length: 5", status=status)
    assert response.body.feed(b"hello") == TAG + b"hello"
    assert fields(response) == [
        (line.partition(b":")[0], line.partition(b":")[2].strip()),
        *((b"Accept-Ranges", b"none"), (b"Vary", b"Sec-Fetch-Dest, Sec-Fetch-Mode, Accept")),
        (b"Content-Length", b"%d" % (5 + len(TAG))),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [HTML, b"Content-Encoding: identity"],
        [HTML, b"Content-Disposition: inline; filename=x"],
        [HTML, b"Cache-Control: no-store, transform"],
    ],
)
def test_html_response_with_harmless_fields_gets_the_script(lines: list[bytes]) -> None:
    injected(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        *(
            [b"Content-Type: " + kind]
            for kind in (
                *(b"text/htmlx", b"text/plain; text/html", b"application/xhtml+xml", b"image/svg"),
                *(b"text/event-stream", b"multipart/mixed; boundary=x", b"text", b""),
                *(b"text/html; charset=utf-16", b'text/html; x=y; Charset="UTF-32"'),
                b"text/vnd.turbo-stream.html",
            )
        ),
        *([HTML, HTML], [HTML, b"Content-Length: 0"]),
        *(
            [HTML, line]
            for line in (
                *(b"Content-Encoding: gzip", b"content-encoding: br", b"Content-Encoding: zstd"),
                *(b"Content-Disposition: attachment", b'Content-Disposition: Attachment; x="y"'),
                *(b"Content-Disposition: form-data", b"Content-Range: bytes 0-1/2"),
                *(b"Cache-Control: no-transform", b"cache-control: max-age=1, No-Transform"),
                b"Content-Security-Policy: sandbox allow-forms",
            )
        ),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("rest", [b"", b"x"])
def test_other_response_passes_unchanged(lines: list[bytes], method: bytes, rest: bytes) -> None:
    plain, response = RecordingInjector().inject(*lines, rest=rest, method=method)
    assert response is plain


@pytest.mark.parametrize("status", [b"204 None", b"205 Reset", b"206 Partial"])
def test_response_with_partial_status_passes_unchanged(status: bytes) -> None:
    plain, response = RecordingInjector().inject(HTML, status=status)
    assert response is plain


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        ([b"Content-Length: 0"], b""),
        ([b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"broken\r\n"),
        ([b"Content-Length: 4"], b"\xff\xfe<\x00"),
        ([], b"\xfe"),
    ],
)
def test_empty_broken_or_utf_16_response_passes_unchanged(lines: list[bytes], rest: bytes) -> None:
    plain, response = RecordingInjector().inject(HTML, *lines, rest=rest)
    assert response is plain


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        ([b"Content-Length: 9"], b""),
        ([], b""),
        ([b"Transfer-Encoding: chunked"], b""),
        ([b"Transfer-Encoding: chunked"], b"5\r\n"),
    ],
)
def test_response_without_content_yet_is_undecided(lines: list[bytes], rest: bytes) -> None:
    _, response = RecordingInjector().inject(HTML, *lines, rest=rest)
    assert response is None


def test_page_with_a_meta_policy_passes_unchanged_and_is_reported_once() -> None:
    recording = RecordingInjector()
    for _ in range(2):
        meta = b"<meta http-equiv=Content-Security-Policy content=x>"
        plain, response = recording.inject(HTML, rest=meta)
        assert response is plain
    assert len(recording.lines) == 1
    assert recording.lines[0].startswith("/page: ")


def test_fields_invalidated_by_the_script_are_changed_or_removed() -> None:
    response = injected(
        *(HTML, b"Content-MD5: x", b"Content-Digest: x", b"repr-digest: x", b"Digest: x"),
        *(b'ETag: "x"', b"Accept-Ranges: bytes", b"Last-Modified: x", b"Set-Cookie: a=b"),
    )
    assert fields(response) == [
        (b"Content-Type", b"text/html; charset=utf-8"),
        *((b"ETag", b'"x-hpp-0urs"'), (b"Last-Modified", b"x"), (b"Set-Cookie", b"a=b")),
        *((b"Accept-Ranges", b"none"), (b"Vary", b"Sec-Fetch-Dest, Sec-Fetch-Mode, Accept")),
        (b"Transfer-Encoding", b"chunked"),
    ]


def test_response_to_an_unsafe_request_gets_a_marked_tag() -> None:
    """A reload would submit the form a second time."""
    tag = b'<script src="/_hpp/client.js" data-unsafe></script>'
    response = injected(HTML, method=b"POST")
    assert response.body.feed(b"x") == b"%x\r\n%bx\r\n" % (len(tag) + 1, tag)


def test_nonce_of_a_policy_is_put_into_the_tag() -> None:
    response = injected(HTML, b"Content-Security-Policy: script-src 'nonce-a+b='")
    tag = b'<script src="/_hpp/client.js" nonce="a+b="></script>'
    assert response.body.feed(b"x") == b"%x\r\n%bx\r\n" % (len(tag) + 1, tag)


def test_each_policy_field_is_extended() -> None:
    lines = [b"content-security-Policy: script-src a", b"X: y", b"Content-Security-Policy: img-src"]
    report = b"Content-Security-Policy-Report-Only: script-src 'none'"
    response = injected(HTML, *lines, report)
    expected = [line.replace(b"src a", b"src a 'self'") for line in [*lines, report]]
    assert [b"%b: %b" % field for field in fields(response)[1:5]] == expected


# Without a body


@pytest.mark.parametrize(("length", "expected"), [(b"5", b"%d" % (5 + len(TAG))), (None, None)])
def test_response_to_head_has_the_fields_of_get(
    length: bytes | None, expected: bytes | None
) -> None:
    lines = [HTML, b"Content-Security-Policy: script-src a"]
    lines += [b"Content-Length: " + length] if length is not None else []
    response = injected(*lines, rest=b"", method=b"HEAD")
    head = response.head + b"\r\n"
    assert value(head, b"Content-Length") == expected
    assert value(head, b"Content-Security-Policy") == b"script-src a 'self'"
    assert response.body.done


@pytest.mark.parametrize("kind", [[], [HTML]])
def test_not_modified_has_the_fields_of_the_page(kind: list[bytes]) -> None:
    policy = b"Content-Security-Policy: script-src 'strict-dynamic'"
    lines = [*kind, policy, b'ETag: "x"', b"Content-Length: 5", b"Accept-Ranges: bytes"]
    response = injected(*lines, rest=b"", status=b"304 Not Modified")
    assert [b"%b: %b" % field for field in fields(response)] == [
        *(*kind, policy + b" 'nonce-0urs'", b'ETag: "x-hpp-0urs"'),
    ]
    page = injected(HTML, policy)
    heads = [response.head + b"\r\n", page.head + b"\r\n"]
    assert len({value(head, b"Content-Security-Policy") for head in heads}) == 1


def test_not_modified_of_other_content_passes_unchanged() -> None:
    lines = [b"Content-Type: image/png", b"Accept-Ranges: bytes"]
    plain, response = RecordingInjector().inject(*lines, rest=b"", status=b"304 Not Modified")
    assert response is plain


@pytest.mark.parametrize("status", [b"200 OK", b"304 Not Modified"])
def test_page_with_a_date_only_gets_a_tag_made_from_it(status: bytes) -> None:
    date = b"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"
    response = injected(HTML, date, status=status, rest=b"x" if status[0:1] == b"2" else b"")
    tag = value(response.head + b"\r\n", b"ETag")
    assert tag == b'W/"2ebc98a1-dated-hpp-0urs"'
    since = date.replace(b"Last-Modified", b"If-Modified-Since")
    request = read(NAVIGATION, b"If-None-Match: " + tag, since)
    assert value(request.head, b"If-None-Match") is None
    assert value(request.head, b"If-Modified-Since") == since.partition(b": ")[2]


def test_date_without_a_tag_is_removed_from_a_request() -> None:
    request = read(NAVIGATION, b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")
    assert value(request.head, b"If-Modified-Since") is None


@pytest.mark.parametrize("name", [b"Integrity-Policy", b"integrity-policy-report-only"])
def test_integrity_policy_gets_the_digest(name: bytes) -> None:
    response = injected(HTML, name + b": blocked-destinations=(script)", b"Content-Length: 1")
    tag = b'<script src="/_hpp/client.js" integrity="sha384-x" crossorigin></script>'
    assert response.body.feed(b"x") == tag + b"x"
    assert value(response.head + b"\r\n", b"Content-Length") == b"%d" % (len(tag) + 1)
