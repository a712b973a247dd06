"""Entity tags of pages with the script: marked in responses, unmarked in requests."""

import pytest

from httpprocessproxy.core.http.http1 import Fields
from httpprocessproxy.core.http.validators import dated, http_date, is_of_second, marked, unmarked

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
def test_mark_is_added_to_a_valid_tag(tag: bytes, expected: bytes) -> None:
    assert marked(tag, MARK) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], []),
        ([SINCE], []),
        ([(b"If-None-Match", b'W/"2ebc98a1-dated-us"'), SINCE], [SINCE]),
        (
            [(b"If-None-Match", b'"x-us", W/"2ebc98a1-dated-us"'), SINCE],
            [SINCE, (b"If-None-Match", b'"x"')],
        ),
        ([(b"If-None-Match", b'W/"2ebc98a1-dated-other"'), SINCE], []),
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
def test_conditions_are_unmarked_for_the_backend(conditions: Fields, expected: Fields) -> None:
    host = (b"Host", b"a")
    assert unmarked([host, *conditions], MARK) == [host, *expected]


@pytest.mark.parametrize("tag", [b'"x"', b'W/"a,b"', b'""', b'"x-us"'])
def test_marked_tag_is_unmarked_to_the_original(tag: bytes) -> None:
    asked = unmarked([(b"If-None-Match", marked(tag, MARK))], MARK)
    assert asked == [(b"If-None-Match", tag)]


def test_tag_of_a_date_becomes_if_modified_since() -> None:
    tag = dated(SINCE[1], MARK)
    assert tag == b'W/"2ebc98a1-dated-us"'
    assert unmarked([(b"If-None-Match", tag), SINCE], MARK) == [SINCE]


@pytest.mark.parametrize("text", [b"", b"x", b"Sun, 06 Nov 99999 08:49:37 GMT", b"\xff"])
def test_malformed_date_gets_no_tag(text: bytes) -> None:
    assert dated(text, MARK) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (SINCE[1], 784111777),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"rubbish", None),
    ],
)
def test_http_date_is_parsed_to_seconds(text: bytes, seconds: float | None) -> None:
    assert http_date(text) == seconds


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        *((b'"2ebc98a1-264"', True), (b'W/"2EBC98A1-264"', True), (b'"264-2ebc98a1"', True)),
        *((b'"2ebc98a10-264"', False), (b'"264"', False), (b"", False)),
    ],
)
def test_tag_of_whole_seconds_is_detected(tag: bytes, expected: bool) -> None:
    assert is_of_second(tag, 784111777.5) is expected
