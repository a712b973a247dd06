"""Documents on streams: the script is injected, and the stream frames the page."""

import pytest

from httpprocessproxy.core.page.documents import Injector
from test.frontends.stream_clients import asked, streaming
from test.loops import eventually, on_every_loop

DOCUMENT = asked(fields=[(b"accept", b"text/html"), (b"sec-fetch-dest", b"document")])
PAGE = b"<!doctype html><html><head><title>x</title></head><body><p>hello</p></body></html>"
WITH_TAG = PAGE.replace(b"<head>", b'<head><script src="/_hpp/client.js"></script>')


def injector() -> Injector:
    return Injector(b"0urs", lambda text: None)


def head(*lines: bytes, status: bytes = b"200 OK", kind: bytes = b"text/html") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Type: " + kind, *lines, b"", b""])


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\nX-Sum: 1\r\nDigest: x\r\n\r\n" % (len(PAGE), PAGE)


@pytest.mark.parametrize(
    ("answer", "closes", "trailers"),
    [
        (head(b"Content-Length: %d" % len(PAGE)) + PAGE, False, []),
        (head(CHUNKED) + CHUNKS, False, [(b"x-sum", b"1")]),
        (head() + PAGE, True, []),
    ],
    ids=["length", "chunked", "until the end"],
)
@on_every_loop
async def test_page_with_the_script_has_no_chunks(
    answer: bytes, closes: bool, trailers: list[tuple[bytes, bytes]]
) -> None:
    async with streaming(injector=injector()) as streams:
        _, stream = streams.get(DOCUMENT)
        peer, _ = await streams.backend.serve(answer)
        if closes:
            peer.close()
        await eventually(lambda: stream.has_ended)
        assert bytes(stream.content) == WITH_TAG
        assert list(stream.trailers) == trailers
        length = dict(stream.fields).get(b"content-length")
        assert length in (None, b"%d" % len(WITH_TAG))


@on_every_loop
async def test_plain_error_becomes_a_page_without_chunks() -> None:
    async with streaming(injector=injector()) as streams:
        _, stream = streams.get(DOCUMENT)
        status = b"500 Internal Server Error"
        answer = head(b"Content-Length: 4", status=status, kind=b"text/plain")
        await streams.backend.serve(answer + b"oops")
        await eventually(lambda: stream.has_ended)
        assert stream.content.startswith(b"<!doctype html>")
        assert stream.content.rstrip().endswith(b"</html>")
