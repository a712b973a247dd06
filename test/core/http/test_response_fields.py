"""Corrected response fields, by the other fields of the response and by the host."""

import pytest

from httpprocessproxy.core.http.http1 import Fields, ResponseHead
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import StrippedRequest
from httpprocessproxy.core.http.response_fields import ResponseFields, is_local
from test.core.http.heads import TRUSTED, VIA

NOW = 784111777.0
OF_NOW = b"Sun, 06 Nov 1994 08:49:37 GMT"
SECOND_BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
TWO_BEFORE = b"Sun, 06 Nov 1994 08:49:35 GMT"
YEARS_BEFORE = b"Sun, 06 Nov 1988 08:49:37 GMT"
MODIFIED = (b"Last-Modified", YEARS_BEFORE)
NO_CACHE = (b"Cache-Control", b"no-cache")
HSTS = (b"Strict-Transport-Security", b"max-age=1")


def mended(
    *fields: tuple[bytes, bytes],
    rules: ResponseFields | None = None,
    host: bytes = b"localhost:8000",
    status: int = 200,
    port: int | None = 8001,
) -> Fields:
    request = RequestReader(TRUSTED, VIA).read(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    head = ResponseHead(status, b"", False, list(fields))
    return (rules or ResponseFields()).mend(head, request, port, NOW).fields


# Caching


@pytest.mark.parametrize("status", [200, 304, 404])
def test_response_with_last_modified_only_gets_no_cache(status: int) -> None:
    date = (b"Date", OF_NOW)
    assert mended(date, MODIFIED, status=status) == [date, MODIFIED, NO_CACHE]


@pytest.mark.parametrize(
    "field",
    [
        *((b"cache-control", b"max-age=9"), (b"Cache-Control", b""), (b"Expires", b"0")),
        (b"PRAGMA", b"no-cache"),
    ],
)
def test_response_with_a_caching_field_passes(field: tuple[bytes, bytes]) -> None:
    assert mended(MODIFIED, field) == [MODIFIED, field]


def test_response_without_last_modified_passes() -> None:
    assert mended((b"ETag", b'"x"')) == [(b"ETag", b'"x"')]


def test_no_cache_is_not_added_when_switched_off() -> None:
    assert mended(MODIFIED, rules=ResponseFields(adds_no_cache=False)) == [MODIFIED]


@pytest.mark.parametrize("modified", [OF_NOW, SECOND_BEFORE])
@pytest.mark.parametrize("date", [[(b"Date", OF_NOW)], []])
def test_last_modified_is_dropped_within_two_seconds(modified: bytes, date: Fields) -> None:
    other = (b"ETag", b'"x"')
    assert mended(*date, (b"last-modified", modified), other) == [*date, other, NO_CACHE]


@pytest.mark.parametrize("date", [[(b"Date", OF_NOW)], []])
def test_last_modified_is_kept_after_two_seconds(date: Fields) -> None:
    field = (b"Last-Modified", TWO_BEFORE)
    assert mended(*date, field, NO_CACHE) == [*date, field, NO_CACHE]


@pytest.mark.parametrize("value", [b"", b"yesterday", b"Sun, 99 Nov 1994 08:49:37 GMT"])
def test_malformed_last_modified_is_kept(value: bytes) -> None:
    assert mended((b"Last-Modified", value), NO_CACHE) == [(b"Last-Modified", value), NO_CACHE]


@pytest.mark.parametrize("tag", [b'"2ebc98a1-5"', b'W/"2EBC98A1"'])
def test_entity_tag_of_time_is_dropped_within_two_seconds(tag: bytes) -> None:
    """nginx makes the tag of the time of modification and the size."""
    assert mended((b"Last-Modified", OF_NOW), (b"ETag", tag), NO_CACHE) == [NO_CACHE]


@pytest.mark.parametrize("tag", [b'"2ebc98a1b-5"', b'"x"', b'"2ebc98a2-5"'])
def test_entity_tag_of_the_content_is_kept(tag: bytes) -> None:
    kept = (b"ETag", tag)
    assert mended((b"Last-Modified", OF_NOW), kept, NO_CACHE) == [kept, NO_CACHE]


# Redirects


@pytest.mark.parametrize("name", [b"Location", b"content-location", b"Refresh"])
def test_url_of_backend_is_rewritten(name: bytes) -> None:
    before = b"0; url=" if name == b"Refresh" else b""
    got = mended((name, before + b"http://127.0.0.1:8001/a"), host=b"a.localhost:1")
    assert got == [(name, before + b"http://a.localhost:1/a")]


@pytest.mark.parametrize(
    ("name", "rules", "port"),
    [
        (b"Link", ResponseFields(), 8001),
        (b"Location", ResponseFields(leads_back=False), 8001),
        (b"Location", ResponseFields(), None),
        (b"Location", ResponseFields(), 8002),
    ],
)
def test_url_passes_in_other_field_port_or_without_the_option(
    name: bytes, rules: ResponseFields, port: int | None
) -> None:
    field = (name, b"http://127.0.0.1:8001/a")
    assert mended(field, rules=rules, port=port) == [field]


def test_url_of_a_stripped_request_gets_its_prefix() -> None:
    plain = RequestReader(TRUSTED, VIA).read(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
    head = ResponseHead(302, b"", False, [(b"Location", b"/login")])
    stripped = StrippedRequest.of(plain, b"/api")
    assert ResponseFields().mend(head, stripped, 8001, NOW).fields == [(b"Location", b"/api/login")]
    for rules, port in ((ResponseFields(leads_back=False), 8001), (ResponseFields(), None)):
        assert rules.mend(head, stripped, port, NOW).fields == head.fields


# Strict-Transport-Security


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in (b"localhost", b"LOCALHOST:1", b"a.b.localhost", b"localhost.")),
        *((host, True) for host in (b"127.0.0.1:1", b"127.8.9.1", b"[::1]:1")),
        *((host, False) for host in (b"example.test", b"10.0.0.1", b"[::2]", b"localhost.test")),
        *((host, False) for host in (b"", b"a b", b"mylocalhost", b"box:1")),
    ],
)
def test_hsts_passes_unless_host_is_local(host: bytes, expected: bool) -> None:
    assert is_local(host) is expected
    if host and b" " not in host:
        assert mended(HSTS, host=host) == ([] if expected else [HSTS])
