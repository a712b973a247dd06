"""Sockets for every host of an address, or none."""

import errno
import socket

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.system.sockets import (
    binding,
    cannot_listen,
    connect,
    listen_on,
    on_every_host,
)
from test.loops import on_every_loop
from test.ports import free_port


def names(sockets: list[socket.socket]) -> list[tuple[str, int]]:
    found = [sock.getsockname()[:2] for sock in sockets]
    for sock in sockets:
        sock.close()
    return found


def test_localhost_has_the_same_free_port_in_both_families() -> None:
    (host, port), (other, same) = names(on_every_host(Address("localhost", 0), listen_on))
    assert (host, other) == ("127.0.0.1", "::1")
    assert port == same != 0


@pytest.mark.parametrize("why", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize("missing", ["127.0.0.1", "::1"])
def test_missing_family_is_skipped(missing: str, why: int) -> None:
    def make(host: str, port: int) -> socket.socket:
        if host == missing:
            raise OSError(why, "missing")
        return listen_on(host, port)

    ((host, _),) = names(on_every_host(Address("localhost", 0), make))
    assert {host, missing} == {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match="missing"):
        on_every_host(Address(missing, 0), make)


def test_machine_without_both_families_raises() -> None:
    def make(host: str, port: int) -> socket.socket:
        raise OSError(errno.EADDRNOTAVAIL, f"{host}:{port}")

    with pytest.raises(OSError, match="no such address"):
        on_every_host(Address("", 0), make)


@pytest.mark.parametrize("taken", ["127.0.0.1", "::1"])
def test_port_taken_in_one_family_leaves_no_socket_open(taken: str) -> None:
    with listen_on(taken, 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            on_every_host(Address("localhost", port), listen_on)
        free = "127.0.0.1" if ":" in taken else "::1"
        with listen_on(free, port):
            pass


def test_ipv6_socket_accepts_ipv4_only_if_dual() -> None:
    def takes_none(sock: socket.socket) -> bool:
        with sock:
            return bool(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))

    with binding("::", 0, socket.SOCK_STREAM) as sock:
        assert takes_none(sock)
    with binding("::", 0, socket.SOCK_STREAM, is_dual=True) as sock:
        assert takes_none(sock) == takes_none(socket.socket(socket.AF_INET6))


@pytest.mark.parametrize(("kind", "expected"), [("SOCK_STREAM", True), ("SOCK_DGRAM", False)])
def test_port_in_time_wait_can_be_reused_by_tcp_only(kind: str, expected: bool) -> None:
    with binding("127.0.0.1", free_port(), socket.SocketKind[kind]) as sock, sock:
        assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) == expected


def test_bound_socket_is_closed_if_its_context_raises() -> None:
    with (
        pytest.raises(OSError, match="refused"),
        binding("127.0.0.1", 0, socket.SOCK_STREAM) as sock,
    ):
        raise OSError("refused")
    assert sock.fileno() == -1


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "Address already in use"), ("256.0.0.1", "Name or service not known")],
)
def test_listen_error_names_address_and_reason(host: str, reason: str) -> None:
    with listen_on("127.0.0.1", 0) as taken:
        address = Address(host, taken.getsockname()[1])
        with pytest.raises(OSError, match=reason) as raised:
            listen_on(host, address.port)
    said = str(cannot_listen(address, raised.value))
    assert said.startswith(f"cannot listen on {address}: {reason}")


@on_every_loop
async def test_socket_connects_to_a_listener_and_is_refused_without_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        sock.setblocking(False)
        await connect(sock, *server.getsockname())
        assert sock.getpeername() == server.getsockname()
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(ConnectionRefusedError):
            await connect(sock, "127.0.0.1", free_port())
