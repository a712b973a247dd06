"""The readiness probe, with servers that answer late, in part, only to GET, or not in HTTP."""

import asyncio
import errno
import socket

import pytest

from httpprocessproxy.config import Readiness, ReadinessKind
from httpprocessproxy.service.readiness import Probe, ProbeLimits, wait_until_ready
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.loops import eventually, on_every_loop
from test.ports import free_port

HTTP = Readiness("http", "/health?x=1")
TCP = Readiness("tcp", "/")


def probes(
    port: int, ping: Readiness = HTTP, limits: ProbeLimits | None = None, host: str = "127.0.0.1"
) -> list[Probe]:
    return [Probe(host, port, ping, limits or ProbeLimits())]


async def probing(listener: Listener, ping: Readiness = HTTP) -> str:
    return (await wait_until_ready(probes(listener.port, ping))).host


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500", b"302 Found", b"401 "])
@on_every_loop
async def test_any_http_response_makes_the_backend_ready(status: bytes) -> None:
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
async def test_probe_repeats_head_and_get_until_a_valid_response(
    answer: bytes, abruptly: bool
) -> None:
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
    # WebSocket-only servers close without a response to HEAD.
    assert methods == [b"HEAD", b"GET", b"HEAD", b"GET"]
    listener.close()


@on_every_loop
async def test_interim_responses_alone_do_not_make_the_backend_ready() -> None:
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
async def test_response_may_arrive_in_pieces() -> None:
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
async def test_bytes_after_a_valid_head_do_not_matter() -> None:
    listener = Listener()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(probing(listener), name="probe")
        peer, _ = await listener.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nrubbish")
        await ready
    listener.close()


@on_every_loop
async def test_silent_connection_is_closed_after_the_timeout() -> None:
    listener = Listener()
    impatient = probes(listener.port, limits=ProbeLimits(answer_s=0.02))
    patient = probes(listener.port, limits=ProbeLimits(answer_s=PATIENCE_S))
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(wait_until_ready([*impatient, *patient]), name="probe")
        head, get = await listener.accept(), await listener.accept()
        assert (await head.request()).method == b"HEAD"
        assert (await get.request()).method == b"GET"
        last, _ = await listener.take()
        await last.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await ready
        await head.assert_closed()
        await get.assert_closed()
    listener.close()


@on_every_loop
async def test_probe_waits_for_a_server_that_listens_late() -> None:
    port = free_port()
    async with asyncio.TaskGroup() as group:
        ready = group.create_task(wait_until_ready(probes(port, TCP)), name="probe")
        await asyncio.sleep(0)
        assert not ready.done()
        with socket.create_server(("127.0.0.1", port)):
            assert (await ready).host == "127.0.0.1"


@on_every_loop
async def test_tcp_ping_sends_nothing() -> None:
    listener = Listener()
    await probing(listener, TCP)
    assert await (await listener.accept()).rest() == b""
    listener.close()


@on_every_loop
async def test_probe_returns_the_host_that_answers() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        both = [*probes(port, TCP), *probes(port, TCP, host="::1")]
        assert (await wait_until_ready(both)).host == "::1"


@on_every_loop
async def test_ipv6_host_is_in_brackets_in_the_host_field() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(wait_until_ready(probes(port, host="::1")), name="probe")
            connection, _ = await loop.sock_accept(server)
            with connection:
                assert b"\r\nHost: [::1]:%d\r\n" % port in await loop.sock_recv(connection, 9999)
                await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\n\r\n")
                await ready


@on_every_loop
async def test_machine_without_ipv6_uses_the_ipv4_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel without IPv6, `socket` fails, not `connect`."""

    class Socket(socket.socket):
        def __init__(self, family: int = -1, *arguments: int, **options: int | None) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *arguments, **options)  # type: ignore[arg-type]

    listener = Listener()
    monkeypatch.setattr(socket, "socket", Socket)
    both = [*probes(listener.port, TCP, host="::1"), *probes(listener.port, TCP)]
    assert (await wait_until_ready(both)).host == "127.0.0.1"
    listener.close()


# The first request


class FakeFirstRequest:
    """A held request; the test decides whether it is answered."""

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
async def test_answer_to_the_first_request_makes_the_backend_ready() -> None:
    listener, first_request = Listener(), FakeFirstRequest()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(probes(listener.port), first_request.go)
        ready = group.create_task(asking, name="probe")
        await eventually(lambda: bool(first_request.connections))
        assert not ready.done()
        first_request.answered.set_result(True)
        assert (await ready).host == "127.0.0.1"
    first_request.close()
    # The first request uses the probe's own connection; a second one is not opened.
    assert await (await listener.accept()).rest() == b""
    with pytest.raises(BlockingIOError):
        listener.socket.accept()
    listener.close()


@pytest.mark.parametrize("is_lost", [True, False])
@on_every_loop
async def test_ping_follows_a_first_request_that_is_lost_or_slow(is_lost: bool) -> None:
    limits = ProbeLimits(first_request_s=PATIENCE_S if is_lost else 0.01)
    listener, first_request = Listener(), FakeFirstRequest()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(probes(listener.port, limits=limits), first_request.go)
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
async def test_slow_first_request_may_be_answered_before_the_ping() -> None:
    limits = ProbeLimits(first_request_s=0.01)
    listener, first_request = Listener(), FakeFirstRequest()
    async with asyncio.TaskGroup() as group:
        asking = wait_until_ready(probes(listener.port, limits=limits), first_request.go)
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
async def test_probe_can_be_cancelled_in_any_phase(ping: Readiness) -> None:
    listener = Listener()
    for port in (listener.port, free_port()):
        for turns in range(6):
            async with asyncio.TaskGroup() as group:
                asking = wait_until_ready(probes(port, ping))
                task = group.create_task(asking, name="probe")
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
    listener.close()


@pytest.mark.parametrize("kind", ["http", "tcp"])
@on_every_loop
async def test_queued_connection_proves_nothing_until_it_is_accepted(kind: ReadinessKind) -> None:
    listener = Listener()
    waiting, looks, is_sent = True, 0, asyncio.Event()

    def has_waiting() -> bool:
        nonlocal looks
        looks += 1
        return waiting

    def send_first_request(host: str, connection: socket.socket) -> None:
        is_sent.set()

    ping = Readiness(kind, "/")
    async with asyncio.TaskGroup() as group:
        work = wait_until_ready(probes(listener.port, ping), send_first_request, has_waiting)
        ready = group.create_task(work, name="probe")
        await eventually(lambda: looks > 3)
        assert not ready.done()
        assert not is_sent.is_set()
        waiting = False
        if kind == "http":
            await listener.serve()
        assert (await ready).host == "127.0.0.1"
        assert is_sent.is_set()
    listener.close()


@on_every_loop
async def test_queued_connection_is_closed_on_cancellation() -> None:
    listener = Listener()
    looked = asyncio.Event()

    def has_waiting() -> bool:
        looked.set()
        return True

    async with asyncio.TaskGroup() as group:
        work = wait_until_ready(probes(listener.port, Readiness()), None, has_waiting)
        ready = group.create_task(work, name="probe")
        await looked.wait()
        ready.cancel()
    peer = await listener.accept()
    assert await peer.rest() == b""
    listener.close()
