"""Addresses: their forms, hosts and overlaps, and the errors of mistakes."""

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8000", "localhost", 8000),
        ("0", "localhost", 0),
        (":8000", "", 8000),
        ("localhost:8000", "localhost", 8000),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("[::1]:8000", "::1", 8000),
        ("[::]:8000", "::", 8000),
        ("my-host.example:80", "my-host.example", 80),
        ("döner.example:80", "döner.example", 80),
    ],
)
def test_address_is_parsed(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ":", "localhost", "localhost:", "localhost:http", "8000 ", " 8000", "-1", "+1"),
        *("1e3", "0x50", "80.0", "::1:8000", "[::1]", "[::1:8000", "::1]:8000", "[]:8000"),
        *("[localhost]:8000", "http://localhost:8000", "localhost:8000/", "a@b:80", "a b:80"),
        *("localhost:80:90", "65536", "localhost:99999", "9" * 5000, "a..b:80", ".a:80"),
        *("x" * 64 + ".example:80", "\x00:80", "a\n:80"),
    ],
)
def test_invalid_address_is_an_error(text: str) -> None:
    with pytest.raises(UserError) as raised:
        Address.parse(text)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 300


def test_port_out_of_range_names_the_maximum() -> None:
    with pytest.raises(UserError, match=r"65536.*at most 65535"):
        Address.parse("65536")


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("localhost", ("127.0.0.1", "::1")),
        ("", ("0.0.0.0", "::")),
        ("::1", ("::1",)),
        ("host.example", ("host.example",)),
    ],
)
def test_hosts_of_an_address(host: str, hosts: tuple[str, ...]) -> None:
    assert Address(host, 1).hosts == hosts


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True)),
        *(("", False), ("0.0.0.0", False), ("::", False), ("192.0.2.1", False)),
        *(("host.example", False), ("localhost.evil.example", False)),
    ],
)
def test_loopback_address_is_recognised(host: str, is_loopback: bool) -> None:
    assert Address(host, 1).is_loopback is is_loopback


@pytest.mark.parametrize("text", ["localhost:8000", "[::1]:8000", ":8000", "127.0.0.1:8000"])
def test_address_prints_as_it_is_parsed(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("8000", "8000", True),
        ("8000", "127.0.0.1:8000", True),
        ("8000", "[::1]:8000", True),
        (":8000", "8000", True),
        (":8000", "192.0.2.1:8000", True),
        ("0.0.0.0:8000", "8000", True),
        ("0.0.0.0:8000", "[::1]:8000", False),
        ("[::]:8000", "[::1]:8000", True),
        ("127.0.0.1:8000", "127.0.0.2:8000", False),
        ("127.0.0.1:8000", "[::1]:8000", False),
        ("8000", "8001", False),
    ],
)
def test_overlap_of_two_addresses(one: str, other: str, overlap: bool) -> None:
    first, second = Address.parse(one), Address.parse(other)
    assert first.overlaps(second) is overlap
    assert second.overlaps(first) is overlap
