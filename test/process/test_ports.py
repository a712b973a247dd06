"""Listeners, free ports and closed peers, with real sockets."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import (
    Holder,
    Output,
    listener,
    listens_in_tree,
    peer_is_gone,
    ports,
    sock_diag,
    wait_until_free,
)
from httpprocessproxy.process.ports import find_free_port
from test.deadline import MS, PATIENCE_S
from test.process.generations import TREE, printed, python, started, with_output

SERVER = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print("up", server.getsockname()[1], flush=True)
time.sleep(1000)
"""


@pytest.fixture(params=["sock_diag", "proc_net"], autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with sock_diag(7) and with /proc/net/tcp: the results are the same."""
    if request.param == "proc_net":

        def forbidden(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(sock_diag, "_query", forbidden)


def listening(host: str, port: int = 0) -> socket.socket:
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    server.bind((host, port))
    server.listen()
    return server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def me(server: socket.socket) -> Holder:
    inode = os.fstat(server.fileno()).st_ino
    with open("/proc/self/cmdline", encoding="utf-8") as words:
        return Holder(os.getpid(), words.read().rstrip("\0").replace("\0", " "), inode)


@pytest.mark.parametrize(
    ("bound", "asked", "conflicts"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "", True),
        ("127.0.0.1", "some.name", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::1", False),
        ("::1", "::1", True),
        ("::1", "localhost", True),
        ("::1", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
    ],
)
def test_conflicting_listener_is_found(bound: str, asked: str, conflicts: bool) -> None:
    with listening(bound) as server:
        found = listener(Address(asked, port_of(server)))
        assert found == (me(server) if conflicts else None)
    assert listener(Address(asked, port_of_closed(bound))) is None


def port_of_closed(host: str) -> int:
    with listening(host) as server:
        return port_of(server)


def test_foreign_listener_is_described_by_pid_and_command() -> None:
    command = [sys.executable, "-S", "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as foreign:
        try:
            assert foreign.stdout is not None
            address = Address("localhost", int(foreign.stdout.readline().split()[1]))
            holder = asyncio.run(wait_until_free(address, 20 * MS))
            assert holder is not None
            assert holder.pid == foreign.pid
            assert str(holder).startswith(f"process {foreign.pid} ({sys.executable} -S -c")
        finally:
            foreign.kill()
    assert asyncio.run(wait_until_free(address, PATIENCE_S)) is None


def test_wait_ends_when_port_becomes_free() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with listening("::1") as server:
            loop.call_later(50 * MS, server.close)
            assert await wait_until_free(Address("localhost", port_of(server)), PATIENCE_S) is None

    asyncio.run(main())


def test_port_with_full_backlog_is_not_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "_CONNECT_TIMEOUT_S", 0.05)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = port_of(server)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        found = asyncio.run(wait_until_free(Address("127.0.0.1", port), 0.2))
        assert found is not None
        assert found.pid == os.getpid()


def test_free_port_needs_no_wait() -> None:
    async def main() -> None:
        assert await wait_until_free(Address("", port_of_closed("127.0.0.1")), 0.0) is None

    asyncio.run(main())


def test_listener_of_child_is_distinguished_from_foreign_one() -> None:
    async def main(output: Output) -> None:
        child = await started(output, "sh", "-c", '"$@"; true', "sh", *python(SERVER))
        port = int((await printed(output, b"\n")).split()[1])
        assert listens_in_tree(Address("localhost", port), TREE, child.pid) is True
        with listening("127.0.0.1") as foreign:
            theirs = Address("127.0.0.1", port_of(foreign))
            assert listens_in_tree(theirs, TREE, child.pid) is False
        assert listens_in_tree(theirs, TREE, child.pid) is None
        await child.stop()

    with_output(main)


def test_listener_of_daemonized_server_belongs_to_tree() -> None:
    async def main(output: Output) -> None:
        child = await started(
            output, "sh", "-c", '(setsid "$@" &) ; sleep 100', "sh", *python(SERVER)
        )
        port = int((await printed(output, b"\n")).split()[1])
        assert listens_in_tree(Address("localhost", port), TREE, child.pid) is True
        await child.stop()

    with_output(main)


def test_listener_of_exact_address_decides() -> None:
    async def main(output: Output) -> None:
        child = await started(output, *python(SERVER))
        port = int((await printed(output, b"\n")).split()[1])
        with socket.create_server(("::1", port), family=socket.AF_INET6):
            assert listens_in_tree(Address("127.0.0.1", port), TREE, child.pid) is True
            assert listens_in_tree(Address("::1", port), TREE, child.pid) is False
        await child.stop()

    with_output(main)


Ends = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The accepted socket and the client's, for each address family."""
    host = "127.0.0.1" if request.param == "mapped" else request.param
    bound = "::" if request.param == "mapped" else host
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.socket(family) as server:
        if bound == "::":
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((bound, 0))
        server.listen()
        with socket.create_connection((host, port_of(server))) as client:
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(PATIENCE_S)
                yield accepted, client


def is_gone(accepted: socket.socket) -> bool | None:
    assert accepted.recv(1) == b""
    return peer_is_gone(accepted.getsockname(), accepted.getpeername())


def test_half_closed_peer_is_not_gone(ends: Ends) -> None:
    accepted, client = ends
    client.shutdown(socket.SHUT_WR)
    assert is_gone(accepted) is False


def test_closed_peer_is_gone(ends: Ends) -> None:
    accepted, client = ends
    client.close()
    assert is_gone(accepted) is True


def test_peer_that_closes_after_half_closing_is_gone(ends: Ends) -> None:
    accepted, client = ends
    client.shutdown(socket.SHUT_WR)
    names = accepted.getsockname(), accepted.getpeername()
    assert is_gone(accepted) is False
    client.close()
    assert peer_is_gone(*names) is True


def test_reset_peer_is_gone() -> None:
    assert peer_is_gone(("127.0.0.1", 9), ("127.0.0.1", port_of_closed("127.0.0.1"))) is True
    assert peer_is_gone(("192.0.2.1", 9), ("192.0.2.1", 10)) is True


def test_peer_on_another_machine_is_unknown() -> None:
    assert peer_is_gone(("192.0.2.1", 8000), ("198.51.100.7", 40000)) is None
    assert peer_is_gone(("fe80::1%lo", 8000, 0, 1), ("fe80::2%lo", 40000, 0, 1)) is None


def test_free_port_is_free_at_all_hosts() -> None:
    port = find_free_port(("127.0.0.1", "::1"))
    # Not an ephemeral port: an outgoing connection could take that before the next start.
    assert 1024 < port < 32768
    with socket.create_server(("127.0.0.1", port)), listening("::1", port):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_port_in_use_is_not_chosen(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = find_free_port(("127.0.0.1", "::1"))
    monkeypatch.setattr(ports, "_CANDIDATES", range(port, port + 1))
    monkeypatch.setattr(ports, "_TRIES", 1)
    with listening(host, port), pytest.raises(UserError, match="no free port"):
        find_free_port(("127.0.0.1", "::1"))
    assert find_free_port(("127.0.0.1", "::1")) == port
