"""The guard's decisions, as tables."""

import pytest

from httpprocessproxy.companions.fetch_client import FetchOrigin, OriginGuard, Refused

ALLOWED = [
    "http://localhost:8080",
    "https://example.org",
    "http://127.0.0.1:9000",
    "http://[::1]:1",
]


@pytest.fixture
def guard() -> OriginGuard:
    return OriginGuard([FetchOrigin.parse(text) for text in ALLOWED])


GOOD = [
    *("http://localhost:8080/a?b#c", "https://EXAMPLE.org:443/", "https://example.org./x"),
    *("http://127.0.0.1:9000", "http://[0:0::1]:1/", "http://LOCALHOST:8080"),
]


@pytest.mark.parametrize("url", GOOD)
def test_url_of_an_allowed_origin_is_permitted(guard: OriginGuard, url: str) -> None:
    guard.permits(url)


BAD = [
    *("http://example.org/", "https://example.org:444/", "https://www.example.org/"),
    *("https://example.org.evil.example/", "https://evil.example/https://example.org"),
    *("https://example.org@evil.example/", "https://evil.example#@example.org"),
    *("http://localhost/", "http://127.0.0.1:8080/", "http://[::ffff:127.0.0.1]:9000/"),
    *("http://2130706433:9000/", "http://127.1:9000/", "/path", "//example.org/", "ftp://x/"),
    *("gopher://127.0.0.1:9000/", "javascript:alert(1)", "http://127.0.0.1:9000\r\nX: y", ""),
]


@pytest.mark.parametrize("url", BAD)
def test_other_url_is_refused_with_one_line(guard: OriginGuard, url: str) -> None:
    with pytest.raises(Refused) as refused:
        guard.permits(url)
    assert "\n" not in str(refused.value)


def test_empty_allowlist_refuses_every_url() -> None:
    with pytest.raises(Refused, match=r"http://127\.0\.0\.1 is not allowed"):
        OriginGuard([]).permits("http://127.0.0.1/")


RESOLVED = [
    ("example.org", "93.184.216.34", True),
    ("example.org", "64:ff9b::101:101", True),
    ("example.org", "127.0.0.1", False),
    ("example.org", "10.0.0.1", False),
    ("example.org", "::ffff:127.0.0.1", False),
    ("example.org", "64:ff9b::7f00:1", False),
    ("example.org", "169.254.169.254", False),
    ("example.org", "fe80::1%2", False),
    ("localhost", "127.0.0.1", True),
    ("app.localhost", "::1", True),
    ("intranet", "10.0.0.1", True),
    ("intranet", "169.254.169.254", False),
    ("metadata", "0.0.0.0", False),
]


@pytest.mark.parametrize(("host", "address", "is_permitted"), RESOLVED)
def test_address_of_a_name_is_permitted_if_public_or_the_name_is_local(
    guard: OriginGuard, host: str, address: str, is_permitted: bool
) -> None:
    if is_permitted:
        guard.permits_address(host, 443, address)
    else:
        with pytest.raises(Refused, match=f"{host} leads to "):
            guard.permits_address(host, 443, address)


def test_allowed_ip_address_is_permitted_for_names(guard: OriginGuard) -> None:
    guard.permits_address("example.org", 9000, "127.0.0.1")
    with pytest.raises(Refused):
        guard.permits_address("example.org", 9001, "127.0.0.1")
