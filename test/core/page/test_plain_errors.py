"""Plain error responses to requests for documents become pages that show them."""

import gzip
import json
import re

import pytest

from httpprocessproxy.core.errors import BodyError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import outgoing_response
from httpprocessproxy.core.http.http1 import parse_response
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.plain_errors import MAX_SHOWN_BYTES
from test.core.http.heads import VIA
from test.core.http.strict import read_head

TEXT = b"Content-Type: text/plain; charset=utf-8"
JSON = b"Content-Type: application/json"
SHOWN = b"Sec-Fetch-Dest: document"
TAG = b'<script src="/_hpp/client.js"></script>'


def asked(*lines: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> Request:
    head = [b"%b /page HTTP/%b" % (method, version), b"Host: a", *lines, b"", b""]
    injector = Injector(b"0urs", lambda text: None)
    peer = Peer("127.0.0.1", trusted=True)
    return RequestReader(peer, VIA, injector=injector).read(b"\r\n".join(head))


def answered(
    *lines: bytes,
    status: bytes = b"500 Oops",
    request: Request | None = None,
    rest: bytes = b"",
    has_ended: bool = False,
) -> tuple[Response, Response | None]:
    """Return the response without the injector, and the injector's result.

    `rest` are the bytes after the head; `has_ended`: the backend sent no more.
    """
    request = request or asked(SHOWN)
    head = parse_response(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""]))
    plain = outgoing_response(head, request)
    injector = Injector(b"0urs", lambda text: None)
    return plain, injector.inject(head, plain, request, rest, has_ended=has_ended)


def page(content: bytes, *lines: bytes, status: bytes = b"500 Oops", cut: int = 10**9) -> bytes:
    """Return the page that shows this content, which arrives in pieces of `cut` bytes."""
    _, response = answered(*lines, b"Content-Length: %d" % len(content), status=status)
    assert response is not None
    out = response.body.feed(b"")
    for at in range(0, len(content), cut):
        assert not out
        out = response.body.feed(content[at : at + cut])
    assert response.body.done
    size, _, rest = out.partition(b"\r\n")
    body, end = rest[: int(size, 16)], rest[int(size, 16) :]
    assert end == b"\r\n0\r\n\r\n"
    assert body.startswith(b'<!doctype html>\n<html lang="en">\n<head>' + TAG)
    return body


def shown(body: bytes) -> str:
    found = re.search(r"<pre>\n(.*)</pre>", body.decode(), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_text_is_shown_escaped(cut: int) -> None:
    body = page(b"a <b>\n&amp; \xc3\xa4", TEXT, cut=cut)
    assert shown(body) == "a &lt;b&gt;\n&amp;amp; ä"
    assert b"500 Internal Server Error" in body


@pytest.mark.parametrize("kind", [b"application/json", b"application/problem+json; charset=utf-8"])
def test_json_is_shown_indented(kind: bytes) -> None:
    text = shown(page(b'{"a":["\xc3\xa4"]}', b"Content-Type: " + kind))
    assert text == '{\n  "a": [\n    "ä"\n  ]\n}'


@pytest.mark.parametrize("content", [b"{", b"[" * 20000, json.dumps("<x>").encode()])
def test_json_that_is_not_an_object_is_shown_unchanged(content: bytes) -> None:
    assert shown(page(content, JSON)) == content.decode().replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize(
    "line", [TEXT, JSON, b"Content-Type: text/html", b"Content-Type: image/png", b"X: y"]
)
@pytest.mark.parametrize("status", [b"404 Gone", b"599 Odd"])
def test_empty_error_is_wrapped(line: bytes, status: bytes) -> None:
    assert shown(page(b"", line, status=status)) == ""


@pytest.mark.parametrize(
    ("lines", "rest", "has_ended"),
    [
        ([b"Transfer-Encoding: chunked"], b"0\r\n\r\n", False),
        ([], b"", True),
    ],
    ids=["chunked", "until the end of the connection"],
)
def test_html_error_that_ends_without_content_is_wrapped(
    lines: list[bytes], rest: bytes, has_ended: bool
) -> None:
    html = b"Content-Type: text/html"
    plain, response = answered(html, *lines, rest=rest, has_ended=has_ended)
    assert response is not None
    body = response.body.feed(rest) if rest else response.body.end()
    assert b"<pre>\n</pre>" in body
    assert TAG in body
    # An empty page that is not an error is shown as the server made it.
    plain, response = answered(html, *lines, status=b"200 OK", rest=rest, has_ended=has_ended)
    assert response is plain


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        (b"; charset=iso-8859-1", b"\xe4", "ä"),
        (b"; charset=Shift_JIS", b"\x83\x5c", "ソ"),
        (b'; charset="utf-16"', b"\xff\xfea\x00", "a"),
        (b"", b"\xc3\xa4", "ä"),
        (b"", b"\xe4\x80", "ä€"),  # Windows-1252, as browsers guess
        (b"; charset=unknown", b"\xc3\xa4", "ä"),
        (b"; charset=rot13", b"a", "a"),
        (b"; charset=ascii", b"\xe4\x80", "ä€"),
    ],
)
def test_charset_is_respected(charset: bytes, content: bytes, text: str) -> None:
    assert shown(page(content, b"Content-Type: text/plain" + charset)) == text


@pytest.mark.parametrize("extra", [0, 1, MAX_SHOWN_BYTES])
def test_long_text_is_shown_to_the_limit(extra: int) -> None:
    body = page(b"x" * (MAX_SHOWN_BYTES + extra), TEXT, cut=10_000)
    assert len(shown(body)) == MAX_SHOWN_BYTES
    assert (b"first 64 KiB" in body) == (extra > 0)


def test_character_cut_at_the_limit_is_omitted() -> None:
    text = shown(page(b"x" + "ä".encode() * MAX_SHOWN_BYTES, TEXT))
    assert set(text) == {"x", "ä"}


def test_head_describes_the_page() -> None:
    _, response = answered(
        *(TEXT, b"Content-Length: 5", b'ETag: "x"', b"Last-Modified: y", b"Content-MD5: z"),
        *(b"Set-Cookie: a=b", b"Content-Security-Policy: script-src a", b"WWW-Authenticate: Basic"),
        status=b"401 Who",
    )
    assert response is not None
    assert response.status == 401
    assert response.backend_keep_alive
    assert read_head(response.head + b"\r\n")[1] == [
        (b"Set-Cookie", b"a=b"),
        (b"Content-Security-Policy", b"script-src a 'self'"),
        (b"WWW-Authenticate", b"Basic"),
        (b"Content-Type", b"text/html; charset=utf-8"),
        *((b"Accept-Ranges", b"none"), (b"Vary", b"Sec-Fetch-Dest, Sec-Fetch-Mode, Accept")),
        (b"Transfer-Encoding", b"chunked"),
    ]


def test_http_1_0_client_gets_the_page_without_chunks() -> None:
    _, response = answered(TEXT, b"Content-Length: 1", request=asked(SHOWN, version=b"1.0"))
    assert response is not None
    assert response.body.feed(b"x").startswith(b"<!doctype html>")
    assert not response.client_keep_alive


def test_page_of_a_failed_form_gets_a_marked_tag() -> None:
    _, response = answered(TEXT, b"Content-Length: 1", request=asked(SHOWN, method=b"POST"))
    assert response is not None
    assert b'client.js" data-unsafe></script>' in response.body.feed(b"x")


def test_body_until_the_end_of_the_connection_is_shown_at_its_end() -> None:
    _, response = answered(TEXT)
    assert response is not None
    assert response.body.feed(b"hello") == b""
    assert b"<pre>\nhello</pre>" in response.body.end()


def test_body_without_its_end_raises_body_error() -> None:
    _, response = answered(TEXT, b"Content-Length: 9")
    assert response is not None
    response.body.feed(b"hello")
    with pytest.raises(BodyError):
        response.body.end()


def test_bytes_after_the_body_are_in_rest() -> None:
    for length, body in ((0, b""), (1, b"x")):
        _, response = answered(TEXT, b"Content-Length: %d" % length)
        assert response is not None
        response.body.feed(body + b"surplus")
        assert response.body.rest == b"surplus"


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Type: image/png"],
        [b"Content-Type: text/event-stream"],
        [b"Content-Type: application/pdf"],
        [b"Content-Type: application/xhtml+xml"],
        [b"X: no type: to a browser, it may be HTML"],
        [TEXT, TEXT],
        *(
            [TEXT, line]
            for line in (
                *(b"Content-Encoding: gzip", b"Content-Disposition: attachment; filename=x"),
                *(b"Cache-Control: no-transform", b"Content-Security-Policy: sandbox"),
            )
        ),
    ],
)
def test_response_that_is_not_plain_text_passes(lines: list[bytes]) -> None:
    plain, response = answered(*lines, b"Content-Length: %d" % len(gzip.compress(b"x")))
    assert response is plain


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ([b"Accept: text/html"], b"GET"),  # not a browser, or a request of a frame
        ([b"Sec-Fetch-Dest: iframe"], b"GET"),
        ([SHOWN], b"HEAD"),
        ([SHOWN, b"HX-Request: true"], b"GET"),
    ],
)
def test_response_to_another_request_passes(fields: list[bytes], method: bytes) -> None:
    request = asked(*fields, method=method)
    if not request.is_document:
        return  # the injector is not called
    plain, response = answered(TEXT, b"Content-Length: 5", request=request)
    assert response is plain


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"304 Same"])
def test_response_that_is_not_an_error_passes(status: bytes) -> None:
    plain, response = answered(TEXT, b"Content-Length: 5", status=status)
    assert response is plain
