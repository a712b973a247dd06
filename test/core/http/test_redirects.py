"""URLs in response fields: those that bypass the proxy are rewritten, all others pass."""

import pytest

from httpprocessproxy.core.http.redirects import Ends, led_back

PLAIN = Ends(b"http", b"app.localhost:8000", 8001, ("backend.example",))
TLS = Ends(b"https", b"app.localhost:8000", 8001)
STANDARD = Ends(b"https", b"example.test", 80)


@pytest.mark.parametrize(
    "authority",
    [
        *(b"localhost:8001", b"LOCALHOST:8001", b"127.0.0.1:8001", b"[::1]:8001"),
        *(b"[0:0:0:0:0:0:0:1]:8001", b"app.localhost:8001", b"Backend.example:8001"),
    ],
)
@pytest.mark.parametrize("scheme", [b"http:", b"HTTP:", b"https:", b""])
@pytest.mark.parametrize("path", [b"", b"/", b"/a//b?c=http://localhost:8001#d", b"?q"])
def test_authority_of_backend_becomes_authority_of_client(
    authority: bytes, scheme: bytes, path: bytes
) -> None:
    url = scheme + b"//" + authority + path
    assert led_back(url, PLAIN) == b"http://app.localhost:8000" + path


@pytest.mark.parametrize(
    ("url", "ends", "expected"),
    [
        (b"http://app.localhost:8000/a", TLS, b"https://app.localhost:8000/a"),
        (b"http://App.LOCALHOST:8000", TLS, b"https://app.localhost:8000"),
        (b"http://localhost:8001/a", TLS, b"https://app.localhost:8000/a"),
        (b"http://example.test/a", STANDARD, b"https://example.test/a"),
        (b"http://localhost/a", STANDARD, b"https://example.test/a"),
    ],
)
def test_plain_http_to_own_host_becomes_https(url: bytes, ends: Ends, expected: bytes) -> None:
    assert led_back(url, ends) == expected


@pytest.mark.parametrize("ends", [PLAIN, TLS])
@pytest.mark.parametrize(
    "url",
    [
        *(b"", b"/", b"/a", b"a//b", b"?u=http://localhost:8001/", b"./http://localhost:8001/"),
        *(b"https://app.localhost:8000/", b"http://localhost:8002/", b"http://localhost/"),
        *(b"http://other.example:8001/", b"http://user@localhost:8001/", b"http://localhost:8001x"),
        *(b"ftp://localhost:8001/", b"http:/localhost:8001", b"http://localhost:99999/"),
        *(b"http://localhost.other.example:8001/", b"http:\\\\localhost:8001/", b"//"),
    ],
)
def test_other_url_passes(url: bytes, ends: Ends) -> None:
    assert led_back(url, ends) == url


def test_plain_http_to_own_host_passes_without_tls() -> None:
    url = b"http://app.localhost:8000/a"
    assert led_back(url, PLAIN) == url


@pytest.mark.parametrize(
    "before", [b"0;url=", b"5; URL = ", b"0.5,", b"3 ; url='", b'0; url="', b"1;"]
)
def test_refresh_keeps_its_time(before: bytes) -> None:
    quote = before[-1:] if before[-1:] in (b"'", b'"') else b""
    value = before + b"http://localhost:8001/a" + quote
    assert led_back(value, PLAIN) == before + b"http://app.localhost:8000/a" + quote


@pytest.mark.parametrize("value", [b"5", b"5; url=/a", b"0;url=http://other.example:8001/"])
def test_refresh_to_another_server_passes(value: bytes) -> None:
    assert led_back(value, PLAIN) == value


@pytest.mark.parametrize("authority", [b"", b"a b", b"[x]:1"])
def test_client_without_valid_authority_gets_url_unchanged(authority: bytes) -> None:
    url = b"http://localhost:8001/"
    assert led_back(url, Ends(b"http", authority, 8001)) == url


# Prefixes

BELOW = Ends(b"http", b"localhost:8000", 8001, prefix=b"/api")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"/", b"/api/"),
        (b"/login?next=/x#y", b"/api/login?next=/x#y"),
        (b"/apis", b"/api/apis"),
        (b"http://127.0.0.1:8001", b"http://localhost:8000/api"),
        (b"http://127.0.0.1:8001/a", b"http://localhost:8000/api/a"),
        (b"http://127.0.0.1:8001?q", b"http://localhost:8000/api?q"),
        (b"http://localhost:8000/a", b"http://localhost:8000/api/a"),
        (b"//localhost:8000/a", b"http://localhost:8000/api/a"),
        (b"0; url=/a", b"0; url=/api/a"),
        (b"0; url='http://localhost:8001/a'", b"0; url='http://localhost:8000/api/a'"),
    ],
)
def test_path_of_a_backend_without_prefixes_gets_the_prefix(value: bytes, expected: bytes) -> None:
    assert led_back(value, BELOW) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(b"/api", b"/api/", b"/api?q", b"/api#y", b"/api/login", b"http://localhost:8000/api/a"),
        *(b"login", b"./login", b"?page=2", b"#y", b"", b"5", b"0; url=login", b"0; url='/api'"),
        *(b"https://localhost:8000/a", b"http://other.example/a", b"//other.example/a", b"//"),
    ],
)
def test_other_reference_gets_no_prefix(value: bytes) -> None:
    assert led_back(value, BELOW) == value


def test_path_of_the_backend_itself_is_rewritten_below_the_prefix() -> None:
    url = b"http://localhost:8001/api/login"
    assert led_back(url, BELOW) == b"http://localhost:8000/api/login"
