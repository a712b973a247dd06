"""The place of the tag: pages are parsed as in browsers, however they are split."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpprocessproxy.core.errors import BodyError
from httpprocessproxy.core.http.bodies import Body, Chunked, Length, UntilClose
from httpprocessproxy.core.page.inject import InjectedBody, Injection
from test.core.http.strict import repeatably

TAG = b"<!TAG!>"

# The tag stands where "|" is.
PAGES = [
    b"<!doctype html><html><head>|<title>x</title></head><body>x</body></html>",
    b'<!DOCTYPE html>\r\n<HTML lang="de">\n<HEAD>|\n<META charset=utf-8>',
    b"\xef\xbb\xbf<!doctype html><head>|",
    b'<head class="a>b" data-x=\'>\' y=">" >|<p>',
    b"<head/>|x",
    b"<head\n>|x",
    # No head
    b"<!doctype html>\n<html>\n|<body><p>x",
    b"<!doctype html>|<title>x</title>",
    b"<html>|<p>x",
    b"|<p>x",
    b"|just text",
    b"  \n\t\f\r |text",
    b"|\xef\xbb.",
    b"|\xef",
    b" |\xef\xbb\xbf<head>",
    b"|<header>x</header>",
    b"<html>|<htmlx>",
    b"|<hea",
    b"|<html",
    b"|<!-",
    b"|<!",
    b"|<",
    b"|< head>",
    b"|</head>",
    b"|\x00<head>",
    b"<html>|<script>'<head>'</script>",
    # Comments
    b"<!-- <head> --><head>|",
    b"<!--><head>|-->",
    b"<!---><head>|-->",
    b"<!----><head>|",
    b"<!-----><head>|",
    b"<!--!><head>--><head>|",
    b"<!---!><head>--><head>|",
    b"<!----!><head>|",
    b"<!-- --!><head>|",
    b"<!-- --!-><head>--><head>|",
    b"<!-- --!--><head>|",
    b"<!-- - -- -> > <!-- --><head>|",
    b"<!-- never closed <head>|",
    # Bogus comments, and doctypes
    b"<?xml version='1.0'?><head>|",
    b"<?x > |--><head>",
    b"<!x><head>|",
    b"<!-x><head>|",
    b"<![CDATA[x]]><head>|",
    b'<!doctype html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/strict.dtd"><head>|',
    b'<!doctype html PUBLIC ">|"><head>',
    # Attributes
    b"<html a=\"<head>\" b='<head>' c=<head>|x",
    b"<html a=\"'>\" b='\">'><head>|",
    b'<html a"><head>|">',
    b'<html a=b"><head>|">',
    b'<html ="><head>|">',
    b'<html a=b="><head>|">',
    b'<html a="b"c=">"><head>|',
    b'<html a = \n">" / b><head>|',
    b"<html a=><head>|>",
    b'<html a/="><head>|">',
    b'<html a ="><head>"><head>|',
    b"<html//><head>|",
    b"<html a b>|x",
    b"<html><html a='>'><head>|",
]


def fed(pieces: Iterable[bytes]) -> bytes:
    injection = Injection(TAG)
    return b"".join([*map(injection.feed, pieces), injection.end()])


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_tag_is_inserted_where_browsers_begin_the_head(page: bytes) -> None:
    whole = page.replace(b"|", b"", 1)
    expected = page.replace(b"|", TAG, 1)
    assert fed([whole]) == expected
    assert fed(whole[at : at + 1] for at in range(len(whole))) == expected
    for at in range(len(whole)):
        assert fed([whole[:at], whole[at:]]) == expected


def test_empty_page_stays_empty() -> None:
    assert fed([]) == fed([b""]) == b""


BITS = [
    *(b"<", b"<!", b"<!-", b"<!--", b"-->", b"--!>", b"-", b">", b"<html", b"<head", b"<HEAD>"),
    *(b" ", b"\n", b"/", b"=", b'"', b"'", b"a", b"<p>", b"\xef\xbb\xbf", b"\xef", b"<?", b"</"),
    *(b"<!doctype html>", b"<html lang=de>", b"<head>"),
]
noise = st.lists(st.sampled_from(BITS) | st.binary(max_size=3), max_size=20).map(b"".join)


@repeatably
@given(noise, st.lists(st.integers(0, 12), max_size=20))
@example(b"<!-", [0, 1])
def test_tag_is_inserted_once_in_arbitrary_pages_and_pieces(page: bytes, sizes: list[int]) -> None:
    injection = Injection(TAG)
    out, rest = b"", page
    for size in [*sizes, len(page)]:
        piece, rest = rest[:size], rest[size:]
        out += injection.feed(piece)
        assert len(page) - len(rest) - len(out.replace(TAG, b"", 1)) <= 5, "too much is held back"
    out += injection.end()
    assert out == fed([page])
    before, tag, after = out.partition(TAG)
    assert before + after == page
    assert bool(tag) == bool(page)


def test_piece_after_the_tag_passes_uncopied() -> None:
    injection = Injection(TAG)
    injection.feed(b"<head>")
    piece = b"<head>" * 10
    assert injection.feed(piece) is piece


# Bodies


def body(framing: Body, *, chunked: bool) -> InjectedBody:
    return InjectedBody(framing, Injection(TAG), chunked=chunked, invalidated=(b"digest",))


PAGE = b"<html><head><p>"
WITH_TAG = b"<html><head>" + TAG + b"<p>"
CHUNKS = b"1;x=y\r\n<\r\ne\r\nhtml><head><p>\r\n0\r\nDigest: x\r\nT: u\r\n\r\n"


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (lambda: Length(len(PAGE)), PAGE),
        (lambda: Chunked(decode=True), CHUNKS),
        (lambda: UntilClose(chunked=False), PAGE),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_body_of_any_framing_gets_the_tag(
    framing: Callable[[], Body], data: bytes, chunked: bool, size: int
) -> None:
    injected = body(framing(), chunked=chunked)
    if not isinstance(framing(), UntilClose):
        data += b"next"
    out = b""
    while data and not injected.done:
        out += injected.feed(data[:size])
        data = data[size:]
    if injected.done:
        assert injected.rest + data == b"next"
    else:
        out += injected.end()
        assert injected.done
    if chunked:
        back = Chunked(decode=True)
        out = back.feed(out)
        assert (back.done, back.rest) == (True, b"")
        assert back.trailers == ([b"T: u\r\n"] if isinstance(framing(), Chunked) else [])
    assert out == WITH_TAG


@pytest.mark.parametrize("framing", [Length(9), Chunked(decode=True)], ids=["length", "chunked"])
def test_body_without_its_end_raises_body_error(framing: Body) -> None:
    injected = body(framing, chunked=True)
    injected.feed(b"4\r\n<hea")
    with pytest.raises(BodyError):
        injected.end()
