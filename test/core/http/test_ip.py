"""Canonical form of IP addresses, and membership in networks."""

import ipaddress

import pytest

from httpprocessproxy.core.http.ip import canonical, is_in, parsed_ip, unmapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("0::0:1", "::1"),
    ],
)
def test_address_is_parsed_to_its_canonical_form(text: str, expected: str) -> None:
    assert str(canonical(text)) == expected


@pytest.mark.parametrize("text", ["", "localhost", "unknown", "127.0.0.1:80", "[::1]"])
def test_text_that_is_not_an_address_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        canonical(text)
    assert parsed_ip(text) is None
    assert not is_in(text, [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")])


def test_address_is_parsed_as_it_is() -> None:
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "0.0.0.0"):
        assert parsed_ip(text) == ipaddress.ip_address(text)


def test_only_mapped_addresses_are_unmapped() -> None:
    assert unmapped(ipaddress.ip_address("::ffff:10.0.0.1")) == ipaddress.ip_address("10.0.0.1")
    for text in ("10.0.0.1", "::1"):
        assert unmapped(ipaddress.ip_address(text)) == ipaddress.ip_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fe80::1%eth0", True),
        ("11.1.2.3", False),
        ("::1", False),
    ],
)
def test_address_is_matched_against_networks(text: str, expected: bool) -> None:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/64")]
    assert is_in(text, networks) == expected
    assert not is_in(text, [])
