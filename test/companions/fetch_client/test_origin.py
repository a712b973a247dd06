"""Normal form of origins, and rejected spellings of hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from httpprocessproxy.companions.fetch_client.origin import MAX_URL_BYTES, FetchOrigin, parse_url

NORMAL = [
    ("http://example.org", "http://example.org"),
    ("HTTP://EXAMPLE.org:80/", "http://example.org"),
    ("https://example.org:443", "https://example.org"),
    ("https://example.org.", "https://example.org"),
    ("http://example.org:443", "http://example.org:443"),
    ("http://bücher.example", "http://xn--bcher-kva.example"),
    ("http://XN--BCHER-KVA.example", "http://xn--bcher-kva.example"),
    ("http://my_host", "http://my_host"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("http://[::1]:8080", "http://[::1]:8080"),
    ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
    ("http://[2001:DB8::1]", "http://[2001:db8::1]"),
    # Digits of other scripts are normalized: the check and the connection see the same address.
    ("http://①②⑦.⓪.⓪.①", "http://127.0.0.1"),
]


@pytest.mark.parametrize(("text", "normal"), NORMAL)
def test_origin_is_parsed_to_its_normal_form(text: str, normal: str) -> None:
    origin = FetchOrigin.parse(text)
    assert str(origin) == normal
    assert FetchOrigin.parse(str(origin)) == origin


INVALID = [
    *("", "example.org", "//example.org", "/path", "ftp://example.org", "file:///etc/passwd"),
    *("http://", "http:///path", "http:example.org", "http://:80", "http://example.org:0"),
    *("http://example.org:65536", "http://example.org:x", "http://example.org:-1"),
    *("http://example.org/path", "http://example.org?q", "http://example.org#f"),
    *("http://user@example.org", "http://user:pass@example.org", "http://@example.org"),
    *("http://exa mple.org", " http://example.org", "http://example.org\n", "http://a\0b"),
    *("http://example.org\\@evil.example", "http://a..b", "http://.a", "http://-", "http://a%2eb"),
    *("http://[::1", "http://[::1%25lo]", "http://[fe80::1%lo]", "http://[example.org]"),
    *("http://[::1]x", "http://\ud800", "http://a\u2028b", f"http://{'a' * 64}.example"),
]


@pytest.mark.parametrize("text", INVALID)
def test_invalid_origin_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs by case
        FetchOrigin.parse(text)


# Resolvers disagree about these hosts: some read 127.0.0.1, others something else.
DISGUISED = [
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1"),
    *("127.0.0.01", "127.0.0.1.", "127.0.0.0x1", "0x7f.0x0.0x0.0x1", "127.0.0.256", "0", "0x"),
    *("1.2.3.4.5", "example.127", "example.0x7f"),
]


@pytest.mark.parametrize("host", DISGUISED)
@pytest.mark.parametrize("form", ["http://{}/", "https://{}:8443/x?y"])
def test_host_that_only_some_resolvers_read_as_address_is_rejected(host: str, form: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        parse_url(form.format(host))


def test_url_longer_than_the_limit_is_rejected() -> None:
    url = "http://example.org/"
    assert parse_url(url + "x" * (MAX_URL_BYTES - len(url)))
    with pytest.raises(ValueError, match="at most 8192 bytes"):
        parse_url(url + "x" * (MAX_URL_BYTES - len(url) + 1))


@given(st.text(max_size=60))
def test_arbitrary_text_is_normalized_or_rejected(text: str) -> None:
    try:
        origin = FetchOrigin.of(parse_url(f"http://{text}"))
    except ValueError:
        return
    # The client connects to the host that yarl reads, and yarl reads the normal form the same way.
    assert origin == FetchOrigin.of(URL(f"{origin}/"))
    assert origin.host.isascii()


def test_address_is_the_ip_address_or_none_for_a_name() -> None:
    assert str(FetchOrigin.parse("http://[::1]:1").address) == "::1"
    assert FetchOrigin.parse("http://localhost").address is None
