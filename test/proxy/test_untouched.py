"""Responses that are not documents pass byte for byte, with injection and without it."""

import gzip
import zlib

import pytest

from httpprocessproxy.core.page.documents import Injector
from test.fakes import Bench, Peer, get, serving
from test.loops import on_every_loop
from test.wire import Headers, Message

NAVIGATION = [
    *("Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none"),
    *("Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding: gzip, br, zstd"),
]
PAGE = b"<!doctype html><html><head><title>x</title></head><body>hello</body></html>"

# Valid frames of zstd and brotli that store the page, or a word, uncompressed.
ZSTD = b"\x28\xb5\x2f\xfd\x20%c%b%b" % (len(PAGE), (1 | len(PAGE) << 3).to_bytes(3, "little"), PAGE)
BROTLI = b"\x0b\x02\x80hello\x03"

CODED = {
    b"gzip": gzip.compress(PAGE),
    b"deflate": zlib.compress(PAGE),
    b"br": BROTLI,
    b"zstd": ZSTD,
}
HTML = b"Content-Type: text/html; charset=utf-8"


def answer(*lines: bytes, body: bytes = PAGE, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, length, b'ETag: "x"', b"", body])


# Responses to requests for a document that are not a page.
RESPONSES = {
    **{
        kind.decode(): answer(b"Content-Type: " + kind)
        for kind in (
            *(b"application/json", b"text/plain", b"text/css", b"text/javascript", b"image/png"),
            *(b"image/svg+xml", b"application/xhtml+xml", b"application/xml", b"video/mp4"),
            *(b"multipart/x-mixed-replace; boundary=text/html", b"text/html-sandboxed", b"x"),
            *(b"application/octet-stream", b"application/pdf", b"text/vnd.turbo-stream.html"),
            b"text/html; charset=utf-16le",
        )
    },
    "no type": answer(),
    "two types": answer(b"Content-Type: text/html", b"Content-Type: text/plain"),
    **{
        coding.decode(): answer(HTML, b"Content-Encoding: " + coding, body=body)
        for coding, body in CODED.items()
    },
    "attachment": answer(HTML, b'Content-Disposition: attachment; filename="x.html"'),
    "no-transform": answer(HTML, b"Cache-Control: public, no-transform"),
    "range": answer(HTML, b"Content-Range: bytes 0-74/99", status=b"206 Partial Content"),
    "unsatisfied": answer(b"Content-Range: bytes */99", body=b"", status=b"416 No"),
    "empty": answer(HTML, b"Accept-Ranges: bytes", body=b""),
    "sandbox": answer(HTML, b"Content-Security-Policy: sandbox"),
    "UTF-16": answer(HTML, body=PAGE.decode().encode("utf-16")),
    "chunked": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n<head\r\n1\r\n>\r\n0\r\n\r\n",
    "a policy of its own": answer(
        HTML, body=b"<meta http-equiv=Content-Security-Policy content=x>" + PAGE
    ),
}

# Requests that are not for a document; the response is a page.
REQUESTS = {
    "fetch": ["Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", *NAVIGATION[2:]],
    "script": ["Sec-Fetch-Dest: script", "Accept: */*", NAVIGATION[-1]],
    "image": ["Sec-Fetch-Dest: image", "Accept: image/avif,image/webp,*/*;q=0.8", NAVIGATION[-1]],
    "curl": ["Accept: */*"],
    "nothing": [],
    "htmx": ["HX-Request: true", "Accept: text/html, */*"],
    "Turbo": ["Turbo-Frame: messages", "Accept: text/html, application/xhtml+xml"],
    "XMLHttpRequest": ["X-Requested-With: XMLHttpRequest", "Accept: text/html, */*; q=0.01"],
    "pjax": ["X-PJAX: true", "Accept: text/html"],
    "Unpoly": ["X-Up-Version: 3.8.0", "X-Up-Target: .content", "Accept: text/html"],
    "range": ["Range: bytes=0-99", *NAVIGATION],
    "JSON": ["Accept: application/json, text/html;q=0"],
}
ANSWERS = {
    "page": answer(HTML, b"Accept-Ranges: bytes", b"Content-Security-Policy: script-src 'none'"),
    "fragment": answer(HTML, body=b"<p>hello</p>"),
    "coded": answer(HTML, b"Content-Encoding: gzip", body=CODED[b"gzip"]),
    "not modified": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n',
}


async def through(bench: Bench, request: bytes, data: bytes) -> tuple[Message, bytes]:
    """Return the request that the backend receives, and all bytes that the client gets."""
    client = await bench.client(request)
    wire, seen = await bench.backend.take()
    await wire.send(data)
    return seen, await client.rest()


async def directly(bench: Bench, request: bytes, data: bytes) -> Message:
    client = await Peer.connect(("127.0.0.1", bench.backend.port))
    await client.send(request)
    await bench.backend.serve(data)
    response = await client.response()
    client.close()
    return response


def sorted_fields(message: Message) -> Headers:
    return sorted(field for field in message.headers if field[0] not in (b"Via", b"Connection"))


async def assert_same(lines: list[str], data: bytes, *, is_asked_alike: bool) -> None:
    request = get("/", *lines, "Connection: close")
    async with serving() as bench:
        plainly_seen, plain = await through(bench, request, data)
        direct = await directly(bench, request, data)
    async with serving(injector=Injector(b"0urs", lambda text: None)) as bench:
        seen, got = await through(bench, request, data)
    assert got == plain
    if is_asked_alike:
        assert sorted_fields(seen) == sorted_fields(plainly_seen)
    head, _, body = got.partition(b"\r\n\r\n")
    assert sorted(head.split(b"\r\n")[1:]) == sorted(
        [b"%b: %b" % field for field in direct.headers]
        + [b"Connection: close", b"Hpp-Generation: 1"]
    )
    if not direct.get(b"Transfer-Encoding"):
        assert body == direct.body


@pytest.mark.parametrize("data", RESPONSES.values(), ids=RESPONSES)
@on_every_loop
async def test_response_that_is_not_a_page_passes_unchanged(data: bytes) -> None:
    await assert_same(NAVIGATION, data, is_asked_alike=False)


@pytest.mark.parametrize("lines", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
@on_every_loop
async def test_response_to_a_request_that_is_not_for_a_page_passes_unchanged(
    lines: list[str], data: bytes
) -> None:
    await assert_same(lines, data, is_asked_alike=True)


@on_every_loop
async def test_page_with_the_script_is_detected_as_changed() -> None:
    """The assertion of these tests detects a difference."""
    with pytest.raises(AssertionError):
        await assert_same(NAVIGATION, ANSWERS["page"], is_asked_alike=False)
