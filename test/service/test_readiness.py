"""Is it ready? Servers that answer late, in part, only to GET, or not in HTTP."""

import asyncio
import errno
import socket

import pytest

from httpprocessproxy.config import PingKind
from httpprocessproxy.service import readiness as probe
from httpprocessproxy.service.readiness import Ping, wait_until_ready
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import eventually, on_every_loop
from test.ports import free_port

HTTP = Ping("http", "/health?x=1")
TCP = Ping("tcp", "/")


async def probing(listener: Listener, ping: Ping = HTTP, host: str = "127.0.0.1") -> str:
    return await wait_until_ready((host,), listener.port, ping)


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500", b"302 Found", b"401 "])
@on_every_loop
async def test_any_response_will_do(status: bytes) -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        peer, request = await listener.take()
        await peer.send(b"HTTP/1.1 " + status + b"\r\n\r\n")
        assert await ready == "127.0.0.1"
    assert (request.method, request.target) == (b"HEAD", b"/health?x=1")
    assert request.get(b"Host") == b"127.0.0.1:%d" % listener.port
    assert request.get(b"Connection") == b"close"
    assert await peer.rest() == b""
    listener.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"SSH-2.0\r\n", b"\x00" * 100])
@pytest.mark.parametrize("abruptly", [True, False])
@on_every_loop
async def test_it_asks_again_until_there_is_one(answer: bytes, abruptly: bool) -> None:
    listener = Listener()
    methods = []
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        for _ in range(4):
            peer = await listener.accept()
            methods.append((await peer.request()).method)
            await peer.send(answer)
            peer.reset() if abruptly else peer.close()
        peer, _ = await listener.take()
        assert not ready.done()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await ready
    # WebSocket-only servers close without an answer to HEAD.
    assert methods == [b"HEAD", b"GET", b"HEAD", b"GET"]
    listener.close()


@on_every_loop
async def test_interim_responses_alone_do_not_make_it_ready() -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        for _ in range(2):
            peer, _ = await listener.take()
            await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            peer.close()
        peer, _ = await listener.take()
        assert not ready.done()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n")
        await ready
    listener.close()


@on_every_loop
async def test_a_response_may_come_in_pieces() -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        peer, _ = await listener.take()
        for byte in b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n":
            assert not ready.done()
            await peer.send(bytes([byte]))
        await ready
    listener.close()


@on_every_loop
async def test_what_comes_after_a_good_head_is_no_matter() -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        peer, _ = await listener.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nrubbish")
        await ready
    listener.close()


@on_every_loop
async def test_a_silent_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ANSWER_TIMEOUT_S", 0.02)
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        first = await listener.accept()
        assert (await first.request()).method == b"HEAD"
        monkeypatch.setattr(probe, "ANSWER_TIMEOUT_S", PATIENCE_S)
        second, _ = await listener.take()
        await second.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await ready
        await first.assert_closed()
    listener.close()


@on_every_loop
async def test_it_waits_for_a_server_that_starts_late() -> None:
    port = free_port()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(wait_until_ready(("127.0.0.1",), port, TCP), name="probe")
        await asyncio.sleep(0)
        assert not ready.done()
        with socket.create_server(("127.0.0.1", port)):
            assert await ready == "127.0.0.1"


@on_every_loop
async def test_tcp_asks_for_nothing() -> None:
    listener = Listener()
    await probing(listener, TCP)
    assert await (await listener.accept()).rest() == b""
    listener.close()


@on_every_loop
async def test_it_tells_which_host_answers() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert await wait_until_ready(("127.0.0.1", "::1"), port, TCP) == "::1"


@on_every_loop
async def test_an_ipv6_host_is_bracketed() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(wait_until_ready(("::1",), port, HTTP), name="probe")
            connection, _ = await loop.sock_accept(server)
            with connection:
                assert b"\r\nHost: [::1]:%d\r\n" % port in await loop.sock_recv(connection, 9999)
                await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\n\r\n")
                await ready


@on_every_loop
async def test_a_machine_without_ipv6_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has none, it is `socket` that fails, and not `connect`."""

    class Socket(socket.socket):
        def __init__(self, family: int = -1, *arguments: int, **options: int | None) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *arguments, **options)  # type: ignore[arg-type]

    listener = Listener()
    monkeypatch.setattr(socket, "socket", Socket)
    assert await wait_until_ready(("::1", "127.0.0.1"), listener.port, TCP) == "127.0.0.1"
    listener.close()


# The scout


class Scout:
    """A request that waits; whether it is answered is the test's to say."""

    def __init__(self) -> None:
        self.answered = asyncio.get_running_loop().create_future()
        self.connections: list[socket.socket] = []

    def go(self, host: str, connection: socket.socket) -> asyncio.Future[bool]:
        self.connections.append(connection)
        return self.answered

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


@on_every_loop
async def test_an_answer_to_the_scout_will_do() -> None:
    listener, first_request = Listener(), Scout()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(("127.0.0.1",), listener.port, HTTP, first_request.go)
        ready = group.create_task(asking, name="probe")
        await eventually(lambda: bool(first_request.connections))
        assert not ready.done()
        first_request.answered.set_result(True)
        assert await ready == "127.0.0.1"
    first_request.close()
    # On the very connection that showed that somebody listens, and no other.
    assert await (await listener.accept()).rest() == b""
    with pytest.raises(BlockingIOError):
        listener.socket.accept()
    listener.close()


@pytest.mark.parametrize("is_lost", [True, False])
@on_every_loop
async def test_a_ping_follows_a_scout_that_is_lost_or_slow(
    is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SCOUT_S", PATIENCE_S if is_lost else 0.01)
    listener, first_request = Listener(), Scout()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(("127.0.0.1",), listener.port, HTTP, first_request.go)
        ready = group.create_task(asking, name="probe")
        await listener.accept()
        if is_lost:
            first_request.answered.set_result(False)
        _, request = await listener.serve()
        await ready
    assert request.method == b"HEAD"
    assert len(first_request.connections) == 1
    first_request.close()
    listener.close()


@on_every_loop
async def test_a_slow_scout_may_be_answered_before_the_ping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "SCOUT_S", 0.01)
    listener, first_request = Listener(), Scout()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(("127.0.0.1",), listener.port, HTTP, first_request.go)
        ready = group.create_task(asking, name="probe")
        await listener.accept()
        peer = await listener.accept()
        assert (await peer.request()).method == b"HEAD"
        first_request.answered.set_result(True)
        await ready
    await peer.assert_closed()
    first_request.close()
    listener.close()


@pytest.mark.parametrize("ping", [HTTP, TCP])
@on_every_loop
async def test_it_can_be_cancelled_in_any_phase(ping: Ping) -> None:
    listener = Listener()
    for port in (listener.port, free_port()):
        for turns in range(6):
            async with asyncio.TaskGroup() as group:
                asking = wait_until_ready(("127.0.0.1",), port, ping)
                task = group.create_task(asking, name="probe")
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
    listener.close()


@pytest.mark.parametrize("kind", ["http", "tcp"])
@on_every_loop
async def test_a_connection_in_a_queue_shows_nothing_until_it_is_accepted(kind: PingKind) -> None:
    listener = Listener()
    waiting, looks, scouted = True, 0, asyncio.Event()

    def has_waiting() -> bool:
        nonlocal looks
        looks += 1
        return waiting

    def scouting(host: str, connection: socket.socket) -> None:
        scouted.set()

    ping = Ping(kind, "/")
    async with asyncio.TaskGroup() as group:
        work = wait_until_ready(("127.0.0.1",), listener.port, ping, scouting, has_waiting)
        ready = group.create_task(work, name="probe")
        await eventually(lambda: looks > 3)
        assert not ready.done()
        assert not scouted.is_set()
        waiting = False
        if kind == "http":
            await listener.serve()
        assert await ready == "127.0.0.1"
        assert scouted.is_set()
    listener.close()


@on_every_loop
async def test_a_connection_in_a_queue_is_closed_when_nobody_waits_any_more() -> None:
    listener = Listener()
    looked = asyncio.Event()

    def has_waiting() -> bool:
        looked.set()
        return True

    async with asyncio.TaskGroup() as group:
        work = wait_until_ready(("127.0.0.1",), listener.port, Ping("http", "/"), None, has_waiting)
        ready = group.create_task(work, name="probe")
        await looked.wait()
        ready.cancel()
    peer = await listener.accept()
    assert await peer.rest() == b""
    listener.close()
