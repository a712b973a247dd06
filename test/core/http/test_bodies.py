"""Bodies: every split of the input gives the same output, and llhttp parses the same content."""

import re
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpprocessproxy.core.errors import BodyError
from httpprocessproxy.core.http.bodies import (
    MAX_CHUNK_LINE_BYTES,
    MAX_TRAILER_BYTES,
    Body,
    Chunked,
    Length,
    UntilClose,
)
from test.core.http.strict import llhttp_body, repeatably

NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def passed(body: Body, pieces: Iterable[bytes]) -> bytes:
    """Return the bytes sent on of a body in pieces; the bytes after the body end up in `rest`."""
    out = []
    behind = b""
    for piece in pieces:
        if body.done:
            behind += piece
        else:
            out.append(body.feed(piece))
    body.rest += behind
    return b"".join(out)


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """Yield the data in one piece, in two pieces cut at every byte, and byte by byte."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]


def assert_passes(make: Callable[[], Body], data: bytes, expected: bytes) -> None:
    for pieces in cuts(data + NEXT):
        body = make()
        assert passed(body, pieces) == expected, pieces
        assert body.done
        assert body.rest == NEXT, pieces
        assert body.end() == b""


def assert_fails(data: bytes) -> None:
    """Assert that the data is refused, however it is cut, and before the body is done."""
    for pieces in cuts(data):
        body = Chunked()
        with pytest.raises(BodyError):
            passed(body, pieces)
        assert not body.done


# Content-Length (RFC 9112 section 6.2)


@pytest.mark.parametrize("content", [b"a", b"abc", b"\r\n\r\n0\r\n\r\n"])
def test_body_with_length_passes_unchanged(content: bytes) -> None:
    assert_passes(lambda: Length(len(content)), content, content)


def test_body_of_length_zero_is_done_at_once() -> None:
    body = Length(0)
    assert body.done
    assert body.end() == b""


def test_body_shorter_than_its_length_raises_body_error() -> None:
    body = Length(5)
    assert body.feed(b"ab") == b"ab"
    assert body.feed(b"") == b""
    assert not body.done
    with pytest.raises(BodyError, match="3 bytes"):
        body.end()


def test_piece_inside_a_body_is_passed_on_uncopied() -> None:
    piece = b"x" * 100
    assert Length(100).feed(piece) is piece
    assert Length(101).feed(piece) is piece
    assert UntilClose(chunked=False).feed(piece) is piece


# Until the connection closes (section 6.3, rule 8)


def test_body_until_close_is_sent_in_chunks() -> None:
    body = UntilClose(chunked=True)
    pieces = passed(body, [b"abc", b"", b"0\r\n\r\n", b"x" * 26])
    assert pieces == b"3\r\nabc\r\n5\r\n0\r\n\r\n\r\n1a\r\n%b\r\n" % (b"x" * 26)
    assert llhttp_body(pieces).content == []
    assert (last := body.end()) == b"0\r\n\r\n"
    assert body.done
    assert llhttp_body(pieces + last).content == [b"abc0\r\n\r\n" + b"x" * 26]


def test_body_until_close_passes_unchanged_to_http_1_0() -> None:
    body = UntilClose(chunked=False)
    assert passed(body, [b"abc", b"", b"def"]) == b"abcdef"
    assert (body.end(), body.done, body.rest) == (b"", True, b"")


@pytest.mark.parametrize("chunked", [True, False])
def test_empty_body_until_close_ends_with_the_last_chunk_if_chunked(chunked: bool) -> None:
    assert UntilClose(chunked=chunked).end() == (b"0\r\n\r\n" if chunked else b"")


def test_trailers_of_a_body_until_close_follow_its_last_chunk() -> None:
    body = UntilClose(chunked=True)
    pieces = body.feed(b"abc")
    body.trailers = [b"X-Sum: 1\r\n", b"Y: z\r\n"]
    pieces += body.end()
    assert pieces == b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nY: z\r\n\r\n"
    assert llhttp_body(pieces).content == [b"abc"]


def test_trailers_of_a_body_until_close_are_dropped_without_chunks() -> None:
    body = UntilClose(chunked=False)
    body.trailers = [b"X-Sum: 1\r\n"]
    assert (body.feed(b"abc"), body.end()) == (b"abc", b"")


# Chunks (section 7.1)

LONG = b"x" * 300
WHOLE = [
    (b"0\r\n\r\n", b"0\r\n\r\n", b""),
    (b"000\r\n\r\n", b"0\r\n\r\n", b""),
    (b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    (b"1\r\na\r\n2\r\n\r\n\r\n0\r\n\r\n", b"1\r\na\r\n2\r\n\r\n\r\n0\r\n\r\n", b"a\r\n"),
    (b"12C\r\n" + LONG + b"\r\n0\r\n\r\n", b"12C\r\n" + LONG + b"\r\n0\r\n\r\n", LONG),
    (b"0000000000000003\r\nabc\r\n0\r\n\r\n", b"0000000000000003\r\nabc\r\n0\r\n\r\n", b"abc"),
]
WITH_EXTENSIONS = [
    (b'3;a=b;c="d;\\"e"\r\nabc\r\n0;x\r\n\r\n', b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    (b'3 ; a = b\r\nabc\r\n0\t;\ta="\t\xff;"\r\n\r\n', b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
]
WITH_TRAILERS = [
    (b"0\r\nA: b\r\n\r\n", b"0\r\nA: b\r\n\r\n", b""),
    (b"0\r\nA:\r\nB: \t c d \t\r\n\r\n", b"0\r\nA: \r\nB: c d\r\n\r\n", b""),
    (b"1\r\na\r\n0\r\nA: \xff\r\nA: 2\r\n\r\n", b"1\r\na\r\n0\r\nA: \xff\r\nA: 2\r\n\r\n", b"a"),
    (b"0\r\nHost: a\r\nX: y\r\ncontent-LENGTH: 5\r\n\r\n", b"0\r\nX: y\r\n\r\n", b""),
]


@pytest.mark.parametrize(("data", "out", "content"), WHOLE + WITH_EXTENSIONS + WITH_TRAILERS)
def test_chunked_body_passes_without_extensions(data: bytes, out: bytes, content: bytes) -> None:
    assert_passes(Chunked, data, out)
    assert_passes(lambda: Chunked(decode=True), data, content)
    assert llhttp_body(out).content == [content]


@pytest.mark.parametrize(
    "name",
    [
        *(b"Authorization", b"Connection", b"Content-Encoding", b"Content-Length", b"Content-Type"),
        *(b"Cookie", b"Forwarded", b"Host", b"Set-Cookie", b"TE", b"Trailer", b"Transfer-Encoding"),
        *(b"Via", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"Upgrade"),
        *(b"content_length", b"X_Forwarded_For", b"x-forwarded_FOR"),
    ],
)
def test_trailer_that_frames_routes_or_authenticates_is_dropped(name: bytes) -> None:
    assert Chunked().feed(b"0\r\nA: b\r\n%b: c\r\n\r\n" % name) == b"0\r\nA: b\r\n\r\n"


def test_content_passes_before_its_chunk_is_complete() -> None:
    body = Chunked()
    assert body.feed(b"ff\r\nab") == b"ff\r\nab"
    assert body.feed(b"c") == b"c"


BROKEN = [
    # chunk-size = 1*HEXDIG
    *(
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1_0\r\n",
        b"\xb2\r\n",
    ),
    *(b";a\r\n", b"1,2\r\n", b"1\t\r\n", b"1\x00\r\n", b"1 1\r\n", b"f" * 17 + b"\r\n"),
    b"0" * 17 + b"\r\n",
    # chunk-ext
    *(b"1;\r\n", b"1;=a\r\n", b"1;a=\r\n", b"1;a;\r\n", b"1;;a\r\n", b"1;a b\r\n", b"1;a \r\n"),
    *(b"1;a=(\r\n", b'1;"a"\r\n', b'1;a="\r\n', b'1;a="\\"\r\n', b'1;a="b"c\r\n', b"1;\xe9\r\n"),
    # line ends
    *(
        b"1\na\r\n0\r\n\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\na\r\n0\n\r\n",
        b"1\r\na\r\n0\r\n\n",
        b"\n",
    ),
    *(b"1\r\r\na\r\n", b"1\ra\r\n", b"1;a\rb\r\n", b"1;a\nb\r\n", b"1;\x00\r\n", b"1;\x7f\r\n"),
    # a chunk that does not have its announced length
    *(
        b"1\r\nab\r\n",
        b"1\r\na0\r\n\r\n",
        b"3\r\na\r\n0\r\n\r\n",
        b"1\r\na\rb",
        b"2\r\na\r\n\r\n0\r\n",
    ),
    # trailers that are not fields
    *(b"0\r\nA\r\n\r\n", b"0\r\n: b\r\n\r\n", b"0\r\nA : b\r\n\r\n", b"0\r\n A: b\r\n\r\n"),
    *(b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\nA: b\x00\r\n\r\n", b"0\r\nA: b\rC: d\r\n\r\n"),
    *(b"0\r\nA: b\nC: d\r\n\r\n", b"0\r\nA: b\r\nC\r\n\r\n", b"0\r\n\xe9: b\r\n\r\n"),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_chunks_raise_body_error(data: bytes) -> None:
    assert_fails(data)


@pytest.mark.parametrize(
    "start",
    [
        *(b"", b"3", b"3\r", b"3\r\n", b"3\r\nab", b"3\r\nabc", b"3\r\nabc\r", b"3\r\nabc\r\n"),
        *(b"0", b"0\r\n", b"0\r\n\r", b"0\r\nA: b", b"0\r\nA: b\r\n", b"0\r\nA: b\r\n\r"),
    ],
)
def test_chunked_body_without_its_end_raises_body_error(start: bytes) -> None:
    body = Chunked()
    out = passed(body, [start])
    assert not body.done
    assert llhttp_body(out).content == [], "the backend must not take it for complete"
    with pytest.raises(BodyError, match="last chunk"):
        body.end()


def test_chunk_line_above_the_limit_raises_body_error() -> None:
    longest = b"1;" + b"x" * (MAX_CHUNK_LINE_BYTES - len(b"1;\r"))
    assert Chunked().feed(longest + b"\r\na") == b"1\r\na"
    assert_too_long(longest + b"x\r\n")
    assert_too_long(longest + b"xxx")


def test_trailers_above_the_limit_raise_body_error() -> None:
    filler = b"A: b\r\n" * (MAX_TRAILER_BYTES // 6 - 1)
    last = b"C: " + b"d" * (MAX_TRAILER_BYTES - len(filler) - len(b"C: \r\n\r"))
    longest = b"0\r\n%b%b\r\n\r\n" % (filler, last)
    assert Chunked().feed(longest) == longest
    assert_too_long(b"0\r\n%b%bd\r\n\r\n" % (filler, last))
    assert_too_long(b"0\r\n%bA: b\r\nA: b\r\nA: b\r\n\r\n" % filler)
    assert_too_long(b"0\r\n%b" % (b"A" * (MAX_TRAILER_BYTES + 1)))


def assert_too_long(data: bytes) -> None:
    for pieces in ([data], [data[at : at + 100] for at in range(0, len(data), 100)]):
        with pytest.raises(BodyError, match="too long"):
            passed(Chunked(), pieces)


# Comparison with llhttp

BITS = [b"0", b"1", b"a", b"F", b"\r\n", b"\r", b"\n", b";", b" ", b"x=y", b":", b"T: u", b"\0"]
chunk = st.binary(min_size=1, max_size=40).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data))
chunks = st.lists(chunk, max_size=4).map(b"".join)
trailers = st.sampled_from([b"", b"A: b\r\n", b"A:\r\nB: c\r\n"])
whole_bodies = st.builds(lambda body, end: body + b"0\r\n" + end + b"\r\n", chunks, trailers)
broken_bodies = st.builds(
    lambda body, at, gone, bit: body[: at % len(body)] + bit + body[at % len(body) + gone :],
    *(whole_bodies, st.integers(0, 200), st.integers(0, 3), st.sampled_from([b"", *BITS])),
)


@repeatably
@given(whole_bodies, st.lists(st.integers(1, 30), max_size=20))
def test_complete_chunked_bodies_pass_unchanged(data: bytes, sizes: list[int]) -> None:
    body = Chunked()
    pieces = []
    rest = data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    out = passed(body, [*pieces, rest])
    assert body.done
    assert llhttp_body(out).content == llhttp_body(data).content
    assert out.replace(b"A: \r\n", b"A:\r\n") == data


@repeatably
@example(b"1;" + b"a" * 4000 + b"(\r\n")
@example(b"1" + b" " * 4000 + b"\r\n")
@given(whole_bodies | broken_bodies | st.lists(st.sampled_from(BITS), max_size=12).map(b"".join))
def test_llhttp_and_proxy_agree_about_chunked_bodies(data: bytes) -> None:
    """llhttp parses all that is sent on, and ends a complete body at the same place."""
    decoded, body = Chunked(decode=True), Chunked()
    oracle = llhttp_body(data)
    try:
        content = decoded.feed(data)
        out = body.feed(data)
    except BodyError:
        assert oracle.is_refused or has_white_extension(data)
        return
    assert decoded.done == body.done
    sent = llhttp_body(out)
    assert not sent.is_refused
    if body.done:
        assert sent.content == [content]
        assert oracle.content[:1] == [content] or has_white_extension(data)
    else:
        assert sent.content == []
        assert oracle.content == []


def has_white_extension(data: bytes) -> bool:
    """RFC 9112 section 7.1.1 allows white space around `;` and `=`; llhttp refuses it."""
    return re.search(rb"[ \t][;=]|[;=][ \t]", data) is not None
