"""Listening sockets of the admin endpoints: private unix sockets, loopback by default."""

import errno
import socket
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.listeners import listen_for_livereload, listen_on_unix
from test.ports import free_port


def addresses(bind: Address) -> set[str]:
    opened = listen_for_livereload(bind, free_port())
    hosts = {listener.getsockname()[0] for listener in opened}
    for listener in opened:
        listener.close()
    return hosts


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "192.0.2.1", "dev.test"])
def test_livereload_listens_on_loopback(host: str) -> None:
    assert addresses(Address(host, 8001)) == {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_livereload_listens_on_all_addresses_if_the_proxy_does(host: str) -> None:
    assert addresses(Address(host, 8001)) == {"0.0.0.0", "::"}


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_port_taken_in_one_family_leaves_no_socket_open(host: str, other: str) -> None:
    families = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
    with socket.create_server((host, 0), family=families[host]) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen_for_livereload(Address("localhost", 8001), port)
        with socket.create_server((other, port), family=families[other]):
            pass


def test_livereload_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    create_server = socket.create_server

    def without_ipv6(
        address: tuple[str, int], *, family: int = socket.AF_INET, backlog: int | None = None
    ) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create_server(address, family=family, backlog=backlog)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    assert addresses(Address("localhost", 8001)) == {"127.0.0.1"}


def test_private_listener_accepts_a_connection(tmp_path: Path) -> None:
    path = tmp_path / "site"
    with listen_on_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_path_too_long_for_a_socket_names_tmpdir(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="TMPDIR"):
        listen_on_unix(tmp_path / ("x" * 200))
