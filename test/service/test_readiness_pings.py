"""The probe's connections, and its ping of a server that was ready and is silent."""

import asyncio
import errno
import ipaddress
import socket

import pytest

from httpprocessproxy.config import Readiness
from httpprocessproxy.service.readiness import Probe, wait_until_ready
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import on_every_loop

HTTP = Readiness("http", "/health")
TCP = Readiness("tcp", "/")


async def ready_host(host: str, listener: Listener) -> str:
    """The host of a TCP probe that succeeds."""
    return (await wait_until_ready([Probe(host, listener.port, TCP)])).host


async def still_answers(listener: Listener, ping: Readiness, timeout_s: float = PATIENCE_S) -> bool:
    return await Probe("127.0.0.1", listener.port, ping).still_answers(timeout_s)


@on_every_loop
async def test_host_name_is_resolved_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket(socket.socket):
        """A socket on which only `sock_connect`, which does not block, gets a name."""

        def connect_ex(self, address: object) -> int:
            assert isinstance(address, tuple)
            ipaddress.ip_address(address[0])  # raises ValueError for a name
            return super().connect_ex(address)

    listener = Listener()
    monkeypatch.setattr(socket, "socket", Socket)
    assert await ready_host("localhost", listener) == "localhost"
    listener.close()


@on_every_loop
async def test_connect_reported_twice_is_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """BSD reports EISCONN for the second connect(2) of a socket, Linux reports success."""

    class Socket(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(errno.EISCONN, "Socket is already connected")

    listener = Listener()
    monkeypatch.setattr(socket, "socket", Socket)
    assert await ready_host("127.0.0.1", listener) == "127.0.0.1"
    assert await (await listener.accept()).rest() == b""
    listener.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 Oops\r\n\r\n", b"SSH-2.0\r\n"])
@on_every_loop
async def test_ping_of_a_ready_server_needs_an_http_response(answer: bytes) -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        work = still_answers(listener, HTTP)
        asking = group.create_task(work, name="ping")
        is_http = answer.startswith(b"HTTP")
        for _ in range(1 if is_http else 2):  # HEAD, then GET
            (await listener.serve(answer))[0].close()
        assert await asking is is_http
    listener.close()


@on_every_loop
async def test_ping_of_a_silent_server_ends_after_the_timeout() -> None:
    listener = Listener()
    assert not await still_answers(listener, HTTP, 0.02)
    peer = await listener.accept()
    assert (await peer.request()).method == b"HEAD"
    await peer.assert_closed()
    listener.close()


@on_every_loop
async def test_tcp_ping_proves_nothing_of_a_ready_server() -> None:
    listener = Listener()
    assert not await still_answers(listener, TCP)
    with pytest.raises(BlockingIOError):
        listener.socket.accept()
    listener.close()
