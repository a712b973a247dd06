"""The data plane between two ends that the test controls, on a real loop and loopback sockets.

A `Bench` is a gate and a `ProxyServer`, with raw sockets on both sides: `Peer`s, which the test
drives byte by byte. When it closes, no connection and no unsafe request may be left.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.routes import Route, RouteTable
from httpprocessproxy.events import EventBus
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.proxy import DestinationOptions, ProxyOptions, ProxyServer, connecting
from httpprocessproxy.proxy.destination import Destination
from httpprocessproxy.proxy.exchanges import Interceptor
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.waiter import Target
from test.deadline import PATIENCE_S
from test.gates import new_gate
from test.loops import eventually
from test.peers import OK as OK
from test.peers import Listener as Listener
from test.peers import Peer as Peer
from test.wire import Message
from test.wire import get as get
from test.wire import post as post

OVERDUE = Problem(503, "Overdue", "The server does not answer yet.")
ENDED = Problem(503, "Ended", "The server has ended.", retry_after_s=1)

NO_OTHERS: Mapping[str, "OtherService"] = MappingProxyType({})

LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"),)


@dataclass(frozen=True, slots=True)
class OtherService:
    """A service beside `web`; without a `gate`, it has a gate and a backend of its own."""

    routes: Sequence[Route]
    rules: DestinationOptions = field(default_factory=DestinationOptions)
    gate: Gate | None = None


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
        self.backends = {"web": backend}
        self._generation = GenerationId("web", 0)
        self._clients: list[Peer] = []

    @property
    def web(self) -> Destination:
        """The only service, or the first one."""
        return self.proxy_server.destinations["web"]

    @property
    def upstreams(self) -> set[UpstreamConnection]:
        services = self.proxy_server.destinations.values()
        return set().union(*(service.connections.responses.upstreams for service in services))

    def start(self) -> None:
        """Start the next generation, and open the gate."""
        self._generation = GenerationId("web", self._generation.number + 1)
        self.open()

    def open_service(self, name: str) -> Listener:
        """Open the gate of another service to a backend, which is returned."""
        backend = self.backends[name] = Listener()
        target = Target(GenerationId(name, 1), "127.0.0.1", backend.port)
        self.proxy_server.destinations[name].gate.open(target)
        return backend

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
        for backend in self.backends.values():
            backend.close()

    async def assert_nothing_is_left(self) -> None:
        context = self.proxy_server.context
        tunnels = context.tunnels
        await eventually(lambda: not (context.clients or self.upstreams or tunnels))
        for service in self.proxy_server.destinations.values():
            assert service.gate.held == 0
            # An unsafe request that is still counted would delay every later kill.
            async with asyncio.timeout(PATIENCE_S / 2):
                await service.gate.drained(PATIENCE_S)


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
    route: str = "/**",
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[Bench]:
    """Open a bench; `pages` is the folder of the unix socket `site` for the admin pages.

    `receive_bytes` and `send_bytes` limit the kernel's buffers of the backend and of clients.
    `route` is that of the service `web`, beside which `others` run.
    """
    limits = GateLimits(queue_timeout_s, suspicion_s=suspicion_s)
    gates = {name: other.gate or new_gate(OVERDUE, limits) for name, other in others.items()}
    gates["web"] = gate = new_gate(OVERDUE, limits)
    said: list[str] = []
    options = ProxyOptions(
        HostRule((), "localhost"),
        trusted,
        lambda _, trusted, is_dashboard: str(pages / "site") if trusted else None,
        injector,
        interceptor,
        routes=RouteTable(
            {"web": [Route.parse(route)], **{name: other.routes for name, other in others.items()}}
        ),
        services={
            "web": DestinationOptions(takes_back=takes_back),
            **{name: other.rules for name, other in others.items()},
        },
    )
    log = RequestLog(EventBus())
    proxy_server = ProxyServer(gates, log, options, lambda _, text: said.append(text))
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    if send_bytes is not None:  # inherited by accepted sockets
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    backend = Listener(backlog, receive_bytes)
    bench = Bench(gate, proxy_server, listening.getsockname()[1], backend, said)
    if is_open:
        bench.start()
    for name, other in others.items():
        if other.gate is None:
            bench.open_service(name)
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
        for opened in bench.backends.values():
            opened.close()
        listening.close()
