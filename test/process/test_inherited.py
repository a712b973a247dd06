"""The inherited listening socket: its queue outlives servers, and can be reclaimed."""

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import InheritedSocket
from test.deadline import PATIENCE_S

ANY_PORT = Address("127.0.0.1", 0)


@pytest.fixture
def inherited() -> Iterator[InheritedSocket]:
    with closing(InheritedSocket(ANY_PORT)) as inherited:
        yield inherited


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connected(inherited: InheritedSocket, stack: ExitStack) -> socket.socket:
    address = inherited.address.host, inherited.address.port
    return stack.enter_context(socket.create_connection(address, PATIENCE_S))


def server(inherited: InheritedSocket, stack: ExitStack) -> socket.socket:
    """The same socket by another descriptor, as a server inherits it."""
    return stack.enter_context(socket.socket(fileno=os.dup(inherited.fd)))


def test_connection_before_server_start_waits_in_queue(
    inherited: InheritedSocket, stack: ExitStack
) -> None:
    assert not inherited.has_waiting()
    client = connected(inherited, stack)
    client.sendall(b"hello")
    assert inherited.has_waiting()
    accepted, _ = server(inherited, stack).accept()
    with accepted:
        assert accepted.recv(9) == b"hello"
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not inherited.has_waiting()


def test_only_unaccepted_connections_are_reclaimed(
    inherited: InheritedSocket, stack: ExitStack
) -> None:
    served = connected(inherited, stack)
    accepted, _ = server(inherited, stack).accept()
    waiting = [connected(inherited, stack) for _ in range(3)]
    with accepted:
        assert inherited.reclaim_unaccepted() == {client.getsockname() for client in waiting}
        for client in waiting:
            with pytest.raises(ConnectionResetError):
                client.recv(9)
        accepted.sendall(b"still here")
        assert served.recv(99) == b"still here"
    assert inherited.reclaim_unaccepted() == frozenset()


@pytest.mark.parametrize("abruptly", [True, False])
def test_connection_closed_by_client_is_reclaimed(
    inherited: InheritedSocket, stack: ExitStack, abruptly: bool
) -> None:
    client = connected(inherited, stack)
    client.sendall(b"POST / HTTP/1.1\r\n\r\n")
    if abruptly:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert len(inherited.reclaim_unaccepted()) == 1
    assert not inherited.has_waiting()


@pytest.mark.parametrize("blocking", [True, False])
def test_reclaim_keeps_blocking_mode_of_running_server(
    inherited: InheritedSocket, stack: ExitStack, blocking: bool
) -> None:
    shared = server(inherited, stack)
    shared.setblocking(blocking)
    connected(inherited, stack)
    inherited.reclaim_unaccepted()
    assert os.get_blocking(shared.fileno()) is blocking


def test_each_connection_is_either_served_or_reclaimed(
    inherited: InheritedSocket, stack: ExitStack
) -> None:
    """The server accepts connections during `reclaim_unaccepted`, as after a save."""
    shared = server(inherited, stack)
    shared.settimeout(PATIENCE_S)
    clients = [connected(inherited, stack) for _ in range(200)]
    served: set[tuple[str, int]] = set()
    is_busy = threading.Event()

    def serve() -> None:
        while len(served) < 100:
            accepted, name = shared.accept()
            accepted.close()
            served.add(name)
            is_busy.set()

    thread = threading.Thread(target=serve)
    thread.start()
    assert is_busy.wait(PATIENCE_S)
    taken = inherited.reclaim_unaccepted()
    clients += [connected(inherited, stack) for _ in range(100)]
    thread.join(PATIENCE_S)
    taken |= inherited.reclaim_unaccepted()
    assert not served & taken
    assert served | taken == {client.getsockname() for client in clients}


def test_renew_makes_socket_blocking_and_listening_again(
    inherited: InheritedSocket, stack: ExitStack
) -> None:
    shared = server(inherited, stack)
    shared.setblocking(False)
    shared.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionRefusedError):
        connected(inherited, stack)
    assert inherited.reclaim_unaccepted() == frozenset()
    inherited.renew()
    assert os.get_blocking(shared.fileno())
    connected(inherited, stack)
    assert inherited.has_waiting()


def test_localhost_binds_one_address() -> None:
    with closing(InheritedSocket(AUTO)) as inherited:
        assert inherited.address.host == "127.0.0.1"
        assert inherited.address.port > 0


def test_unavailable_host_falls_back_to_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Address, "hosts", ("192.0.2.1", "127.0.0.1"))
    with closing(InheritedSocket(AUTO)) as inherited:
        assert inherited.address.host == "127.0.0.1"


def test_port_in_use_raises_user_error(inherited: InheritedSocket) -> None:
    # It must not bind the other family of localhost: its clients belong to the other server.
    address = Address("localhost", inherited.address.port)
    with pytest.raises(UserError) as caught:
        InheritedSocket(address)
    why = os.strerror(errno.EADDRINUSE)
    assert str(caught.value) == f"--socket: cannot listen on BACKEND {address}: {why}"
