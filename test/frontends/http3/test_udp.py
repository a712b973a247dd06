"""UDP sockets: bound on every host of an address, and not shared."""

import socket

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.http3 import udp
from httpprocessproxy.frontends.http3.udp import bind_udp, source_towards
from test.ports import free_port


def test_localhost_is_bound_for_ipv4_and_ipv6() -> None:
    port = free_port()
    sockets = bind_udp(Address("localhost", port))
    names = [sock.getsockname()[:2] for sock in sockets]
    for sock in sockets:
        sock.close()
    assert names == [("127.0.0.1", port), ("::1", port)]


def test_missing_address_family_of_localhost_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Address, "hosts", ("127.0.0.1", "2001:db8::1"))
    (sock,) = bind_udp(Address("localhost", free_port()))
    sock.close()
    monkeypatch.setattr(Address, "hosts", ("192.0.2.1", "2001:db8::1"))
    with pytest.raises(UserError, match="no such address"):
        bind_udp(Address("localhost", 0))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_in_use_for_one_family_raises_user_error(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, 0))
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"^UDP port {port} is in use, .*choose another port"):
            bind_udp(Address("localhost", port))
        # The socket of the other family has been closed.
        free = "127.0.0.1" if ":" in host else "::1"
        for sock in bind_udp(Address(free, port)):
            sock.close()


def test_address_of_another_machine_raises_user_error() -> None:
    with pytest.raises(UserError, match=r"cannot bind UDP on 192\.0\.2\.1:"):
        bind_udp(Address("192.0.2.1", free_port()))


def test_receive_buffer_is_as_large_as_the_system_allows() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, udp.BUFFER_BYTES)
        possible = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    (sock,) = bind_udp(Address("127.0.0.1", free_port()))
    with sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == possible


def test_too_small_buffers_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(udp, "BUFFER_BYTES", 1 << 30)
    caplog.set_level("INFO")
    (sock,) = bind_udp(Address("127.0.0.1", free_port()))
    sock.close()
    assert "UDP buffers have only" in caplog.text


def test_source_address_is_chosen_by_the_route_and_unspecified_without_one() -> None:
    assert source_towards(("127.0.0.1", 9), 443) == ("127.0.0.1", 443)
    assert source_towards(("::1", 9), 443) == ("::1", 443)
    assert source_towards(("255.255.255.255", 9), 443) == ("0.0.0.0", 443)
