"""The data plane between two ends that the test controls, on a real loop and loopback sockets.

A `Bench` is a gate and a `ProxyServer`, with raw sockets on both sides: `Peer`s, which the test
drives byte by byte. When it closes, no connection and no unsafe request may be left.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.events import EventBus
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.proxy import ProxyOptions, ProxyServer, connecting
from httpprocessproxy.proxy.destination import Destination
from httpprocessproxy.proxy.exchanges import Interceptor
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.waiter import Target
from test.deadline import PATIENCE_S
from test.gates import new_gate
from test.loops import eventually, turn
from test.wire import Headers, Message, TruncatedError
from test.wire import get as get
from test.wire import post as post

OVERDUE = Problem(503, "Overdue", "The server does not answer yet.")
ENDED = Problem(503, "Ended", "The server has ended.", retry_after_s=1)

LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"),)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One end of a connection, driven byte by byte. It parses as strictly as `test.wire.Wire`."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self.unread = b""
        self.was_reset = False
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: tuple[str, int], receive_bytes: int | None = None) -> Self:
        """Connect; `receive_bytes` limits the kernel's receive buffer."""
        connection = socket.socket()
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer = cls(connection)
        await asyncio.get_running_loop().sock_connect(connection, address)
        return peer

    async def send(self, *data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, b"".join(data))

    def send_some(self, data: bytes) -> int:
        """Send as many bytes as the kernel accepts without blocking; return their number."""
        with contextlib.suppress(BlockingIOError):
            return self.socket.send(data)
        return 0

    async def send_until_stuck(self, data: bytes) -> int:
        """Send repeatedly until the other side stops reading; return the number of bytes sent."""
        sent = idle = 0
        while idle < 30:
            size = self.send_some(data)
            sent += size
            idle = 0 if size else idle + 1
            if not size:
                await turn()
        return sent

    def finish(self) -> None:
        """Half-close: end the sending side, and keep reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def more(self) -> bool:
        """Wait for bytes; False at the end of the connection, whether closed or reset."""
        try:
            data = await self._loop.sock_recv(self.socket, 256 * 1024)
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            return False
        self.unread += data
        return bool(data)

    async def until(self, end: bytes) -> bytes:
        while end not in self.unread:
            if not await self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread.split(end, 1)
        return taken

    async def exactly(self, size_bytes: int) -> bytes:
        while len(self.unread) < size_bytes:
            if not await self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread[:size_bytes], self.unread[size_bytes:]
        return taken

    async def rest(self) -> bytes:
        """Read until the other side closes, and return all bytes."""
        while await self.more():
            pass
        taken, self.unread = self.unread, b""
        return taken

    async def assert_closed(self) -> None:
        """Assert that the other side closes with FIN, without another byte."""
        assert (await self.rest(), self.was_reset) == (b"", False)

    async def assert_reset(self) -> None:
        """Assert that the other side resets, so that the bytes received cannot pass as complete."""
        assert (await self.rest(), self.was_reset) == (b"", True)

    async def head(self) -> Message:
        first, *lines = (await self.until(b"\r\n\r\n")).split(b"\r\n")
        return Message(first, _fields(lines))

    async def request(self) -> Message:
        """Read a whole request, body included."""
        message = await self.head()
        await self._read_body(message)
        return message

    async def response(self, method: str = "GET") -> Message:
        """Read a whole response, which must be framed by a length or chunks."""
        message = await self.head()
        if method != "HEAD" and message.status not in (101, 204, 304) and message.status >= 200:
            assert message.get(b"Content-Length") or message.get(b"Transfer-Encoding")
            await self._read_body(message)
        return message

    async def _read_body(self, message: Message) -> None:
        length = message.get(b"Content-Length")
        if length is not None:
            assert re.fullmatch(rb"[0-9]+", length)
            message.body = await self.exactly(int(length))
        elif message.get(b"Transfer-Encoding"):
            while size := int(await self.until(b"\r\n"), 16):
                message.body += await self.exactly(size)
                assert await self.exactly(2) == b"\r\n"
            assert await self.until(b"\r\n") == b""


def _fields(lines: list[bytes]) -> Headers:
    pairs = [line.partition(b":") for line in lines]
    assert all(name and colon for name, colon, _ in pairs), f"not all are fields: {lines}"
    return [(name, value.strip()) for name, _, value in pairs]


class Listener:
    """A backend's listening socket: the test accepts, reads and answers."""

    def __init__(self, backlog: int = 128, receive_bytes: int | None = None, port: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(backlog)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self._peers: list[Peer] = []

    async def accept(self) -> Peer:
        connection, _ = await asyncio.get_running_loop().sock_accept(self.socket)
        self._peers.append(Peer(connection))
        return self._peers[-1]

    async def take(self) -> tuple[Peer, Message]:
        """Take one request on a new connection."""
        peer = await self.accept()
        return peer, await peer.request()

    async def serve(self, answer: bytes = OK) -> tuple[Peer, Message]:
        """Take one request on a new connection, and answer it."""
        peer, request = await self.take()
        await peer.send(answer)
        return peer, request

    def close(self) -> None:
        self.socket.close()
        for peer in self._peers:
            peer.close()


class Bench:
    """A `ProxyServer` under test, and its ends, which it closes unless `closes_ends` is unset."""

    def __init__(
        self, gate: Gate, proxy_server: ProxyServer, port: int, backend: Listener, said: list[str]
    ) -> None:
        self.said = said
        self.gate = gate
        self.proxy_server = proxy_server
        self.port = port
        self.backend = backend
        self.closes_ends = True
        self._generation = GenerationId("web", 0)
        self._clients: list[Peer] = []

    @property
    def web(self) -> Destination:
        """The only service."""
        return self.proxy_server.destinations["web"]

    @property
    def upstreams(self) -> set[UpstreamConnection]:
        return self.proxy_server.context.connections.responses.upstreams

    def start(self) -> None:
        """Start the next generation, and open the gate."""
        self._generation = GenerationId("web", self._generation.number + 1)
        self.open()

    def open(self) -> None:
        """Open the gate to the present generation."""
        self.gate.open(Target(self._generation, "127.0.0.1", self.backend.port))

    async def first_request(self) -> asyncio.Future[bool]:
        """Send the first waiting request to the next generation, as its readiness check."""
        connection, address = socket.socket(), ("127.0.0.1", self.backend.port)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
        self._generation = GenerationId("web", self._generation.number + 1)
        answered = self.gate.first_request(Target(self._generation, *address, connection))
        assert answered is not None, "no safe request waits"
        return answered

    def stop(self) -> None:
        """End the generation as after a change: hold requests, end its connections."""
        self.gate.hold()
        self.end_generation()

    def end_generation(self) -> None:
        self.web.end_generation(self._generation)

    def restart(self) -> None:
        self.stop()
        self.start()

    async def client(self, *data: bytes, receive_bytes: int | None = None) -> Peer:
        """Open a client's connection, and send `data` on it."""
        peer = await Peer.connect(("127.0.0.1", self.port), receive_bytes)
        self._clients.append(peer)
        await peer.send(*data)
        return peer

    async def held(self, count: int) -> None:
        """Wait until `count` requests are held."""
        await eventually(lambda: self.gate.held == count)

    async def exchange(self, client: Peer, wire: Peer, request: bytes) -> Message:
        """Send a request, which reaches the backend on `wire`, and answer it."""
        await client.send(request)
        await wire.request()
        await wire.send(OK)
        return await client.response()

    def close_ends(self) -> None:
        for client in self._clients:
            client.close()
        self.backend.close()

    async def assert_nothing_is_left(self) -> None:
        context = self.proxy_server.context
        tunnels = context.connections.tunnels
        await eventually(lambda: not (context.clients or self.upstreams or tunnels))
        assert self.gate.held == 0
        # An unsafe request that is still counted would delay every later kill.
        async with asyncio.timeout(PATIENCE_S / 2):
            await self.gate.drained(PATIENCE_S)


@contextlib.asynccontextmanager
async def serving(
    *,
    queue_timeout_s: float = PATIENCE_S,
    is_open: bool = True,
    pages: Path = Path("/nonexistent"),
    trusted: Sequence[Network] = LOOPBACK,
    backlog: int = 128,
    receive_bytes: int | None = None,
    send_bytes: int | None = None,
    retry_s: float = PATIENCE_S,  # connecting must not time out on a busy machine
    injector: Injector | None = None,
    interceptor: Interceptor | None = None,
    takes_back: bool = False,
    suspicion_s: float = 1.0,
) -> AsyncIterator[Bench]:
    """Open a bench; `pages` is the folder of the unix socket `site` for the admin pages.

    `receive_bytes` and `send_bytes` limit the kernel's buffers of the backend and of clients.
    """
    gate = new_gate(OVERDUE, GateLimits(queue_timeout_s, suspicion_s=suspicion_s))
    said: list[str] = []
    options = ProxyOptions(
        HostRule((), "localhost"),
        trusted,
        lambda _, trusted, is_dashboard: str(pages / "site") if trusted else None,
        injector,
        interceptor,
        takes_back={"web"} if takes_back else (),
    )
    proxy_server = ProxyServer({"web": gate}, RequestLog(EventBus()), options, said.append)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    if send_bytes is not None:  # inherited by accepted sockets
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    backend = Listener(backlog, receive_bytes)
    bench = Bench(gate, proxy_server, listening.getsockname()[1], backend, said)
    if is_open:
        bench.start()
    patch = pytest.MonkeyPatch()
    patch.setattr(connecting, "FIRST_TIMEOUT_S", retry_s)
    try:
        async with proxy_server.serve([listening]):
            yield bench
            bench.close_ends()
            await bench.assert_nothing_is_left()
    finally:
        patch.undo()
        if bench.closes_ends:
            bench.close_ends()
        backend.close()
        listening.close()
