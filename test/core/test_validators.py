"""Entity tags of pages with our script and of those without, on their way both ways."""

import pytest

from httpprocessproxy.core.http1 import Fields
from httpprocessproxy.core.validators import marked, unmarked

MARK = b"-us"
SINCE = (b"If-Modified-Since", b"Sun, 06 Nov 1994 08:49:37 GMT")


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (b'"x"', b'"x-us"'),
        (b'W/"a,b"', b'W/"a,b-us"'),
        (b'""', b'"-us"'),
        *((bad, bad) for bad in (b"", b"x", b'"', b'"a', b'"a"b"', b'w/"a"', b"*")),
    ],
)
def test_a_tag_with_the_mark(tag: bytes, expected: bytes) -> None:
    assert marked(tag, MARK) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], []),
        ([SINCE], [SINCE]),
        ([(b"if-none-match", b'"x-us"'), SINCE], [SINCE, (b"If-None-Match", b'"x"')]),
        (
            [(b"If-None-Match", b'"a", W/"b,c-us" ,"d"'), (b"If-None-Match", b'"-us"')],
            [(b"If-None-Match", b'W/"b,c", ""')],
        ),
        ([(b"If-None-Match", b'"x"'), SINCE], []),
        ([(b"If-None-Match", b"*")], []),
        ([(b"If-None-Match", b"x-us")], []),
    ],
)
def test_what_the_backend_is_asked(conditions: Fields, expected: Fields) -> None:
    host = (b"Host", b"a")
    assert unmarked([host, *conditions], MARK) == [host, *expected]


@pytest.mark.parametrize("tag", [b'"x"', b'W/"a,b"', b'""', b'"x-us"'])
def test_there_and_back(tag: bytes) -> None:
    asked = unmarked([(b"If-None-Match", marked(tag, MARK))], MARK)
    assert asked == [(b"If-None-Match", tag)]
