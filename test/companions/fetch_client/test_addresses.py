"""Classification of IP addresses as public, near or neither."""

import ipaddress

import pytest

from httpprocessproxy.companions.fetch_client.addresses import is_near, is_public

PUBLIC = [
    *("1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"),
    "2002:101:101::1",
]

NEAR = ["127.0.0.1", "127.255.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1"]

NEITHER = [
    *("0.0.0.0", "::", "169.254.169.254", "fe80::1", "255.255.255.255", "224.0.0.1", "ff02::1"),
    # Metadata and other internal services of cloud providers: Alibaba, Oracle, Azure.
    *("100.100.100.200", "192.0.0.192", "168.63.129.16", "240.0.0.1", "198.18.0.1"),
    # IPv4 in IPv6: mapped, compatible, NAT64, local NAT64, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "192.0.2.1"),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", [*NEAR, *NEITHER])
def test_other_address_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NEAR)
def test_private_address_is_near(text: str) -> None:
    assert is_near(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "169.254.169.254", "fe80::1", "1.1.1.1"])
def test_special_purpose_or_public_address_is_not_near(text: str) -> None:
    assert not is_near(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"])
def test_near_ipv4_address_embedded_in_ipv6_is_not_near(text: str) -> None:
    assert not is_near(ipaddress.ip_address(text))
