"""The names in a certificate: the hosts under which browsers reach the proxy."""

import ipaddress
import socket

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.frontends.tls import names
from httpprocessproxy.frontends.tls.names import CertificateNames, hosts_of, is_name

ALWAYS = ["localhost", "*.localhost", "hpp.localhost", "127.0.0.1", "::1"]


def test_names_of_loopback_are_always_included() -> None:
    assert hosts_of(Address.parse("8000"))[:5] == ALWAYS


def test_host_of_the_listening_address_is_included() -> None:
    assert "192.168.1.5" in hosts_of(Address.parse("192.168.1.5:8000"))
    assert "mybox.test" in hosts_of(Address.parse("mybox.test:8000"))


@pytest.mark.parametrize("bind", [":8000", "0.0.0.0:8000", "[::]:8000"])
def test_names_and_addresses_of_the_machine_are_included_when_listening_everywhere(
    bind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.lan.test")
    monkeypatch.setattr(names, "_ELSEWHERE", [(socket.AF_INET, "127.0.0.1")])
    found = hosts_of(Address.parse(bind))
    assert found == [*ALWAYS, "box.lan.test", "box", "box.local", "127.0.0.1"]


def test_machine_without_a_network_has_no_further_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "_ELSEWHERE", [(socket.AF_INET, "255.255.255.255")])
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    assert hosts_of(Address.parse(":8000")) == ALWAYS


def test_allowed_hosts_are_included() -> None:
    found = hosts_of(Address.parse("8000"), ["a.test", "*.b.test", ".c.test", "*"])
    assert found[6:] == ["a.test", "*.b.test", "*.c.test", "c.test"]


def test_same_names_in_another_order_are_equal() -> None:
    some = CertificateNames.of(["b.test", "A.test", "10.0.0.1", "::1", "fe80::1%eth0", "a.test"])
    assert some == CertificateNames.of(["::1", "a.test", "fe80::1", "10.0.0.1", "b.test"])
    assert some.dns == ("a.test", "b.test")
    assert some.addresses == tuple(map(ipaddress.ip_address, ("10.0.0.1", "::1", "fe80::1")))
    assert str(some) == "a.test, b.test, 10.0.0.1, ::1, fe80::1"


@pytest.mark.parametrize(
    "host", ["localhost", "*.a.test", "my_box", "10.0.0.1", "::1", "xn--bcher"]
)
def test_valid_host_is_a_name(host: str) -> None:
    assert is_name(host)


@pytest.mark.parametrize("host", ["", "a..b", "bücher.test", "-a", "a" * 64, "*", "a b", "." * 3])
def test_invalid_host_is_not_a_name(host: str) -> None:
    assert not is_name(host)
