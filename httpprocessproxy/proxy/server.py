"""The proxy server: its parts, its listeners, and the time limits of its clients."""

import asyncio
import dataclasses
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import Network, is_in
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.identity import DEFAULT_SERVICE, GenerationId
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.routes import Route, RouteTable
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.connecting import Connector
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.destination import (
    Complaints,
    Destination,
    DestinationOptions,
    OpenTunnel,
    ServerConnections,
)
from httpprocessproxy.proxy.exchanges import Exchanges, Interceptor
from httpprocessproxy.proxy.readers import Readers
from httpprocessproxy.proxy.replay_client import ReplayClient
from httpprocessproxy.proxy.router import RequestRouter, refusing_gate
from httpprocessproxy.proxy.upstream_connection import ResponseContext
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.system.faults import contained
from httpprocessproxy.system.private_folders import lasting_name, private_folder
from httpprocessproxy.system.sockets import binding, on_every_host

# Below the 5 s after which Node closes an idle connection: the proxy closes first, so that the
# server does not close while a request is in flight.
IDLE_UPSTREAM_S: Final = 4.0

# A backend may compute, or a long poll may last, for an hour.
ANSWER_TIMEOUT_S: Final = 3600.0

SWEEP_S: Final = 1.0
BACKLOG: Final = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class ProxyOptions:
    """The rules and options of a proxy server.

    hosts                the allow-list of hosts
    forwarded_allow_ips  the networks of trusted peers
    admin_socket         see `ProxyContext`
    injector             puts the script into documents
    interceptor          handles some requests before the backend
    hides_alt_svc        see `ResponseContext`
    routes               the requests for each service
    services             the rules for each service, by its name; a service may lack them
    """

    hosts: HostRule
    forwarded_allow_ips: Sequence[Network]
    admin_socket: Callable[[bytes, bool, bool], str | None]
    injector: Injector | None = None
    interceptor: Interceptor | None = None
    hides_alt_svc: bool = False
    routes: RouteTable = dataclasses.field(
        default_factory=lambda: RouteTable({DEFAULT_SERVICE: [Route()]})
    )
    services: Mapping[str, DestinationOptions] = dataclasses.field(default_factory=dict)


class ProxyServer:
    """Accepts connections within the context of `serve`, whose exit closes all of them."""

    def __init__(
        self,
        gates: Mapping[str, Gate],
        log: RequestLog,
        options: ProxyOptions,
        say: Callable[[str, str], None] = lambda service, text: None,
    ) -> None:
        """`gates` are those of the services, by name.

        `say` shows a line about a service in the terminal.
        """
        self.loop = asyncio.get_running_loop()
        self._trusted = tuple(options.forwarded_allow_ips)
        self._options = options
        self._say = say
        self._connecting = asyncio.TaskGroup()
        self._tunnels: dict[OpenTunnel, GenerationId] = {}
        self.destinations = {name: self._destination(name, gate) for name, gate in gates.items()}
        elsewhere = self._destination("", refusing_gate(options.routes))
        self.context = ProxyContext(
            self.loop,
            RequestRouter(options.routes, self.destinations, elsewhere),
            log,
            Readers(options.hosts, self._trusts, options.injector, options.interceptor),
            options.admin_socket,
            self._tunnels,
        )
        self.exchanges = Exchanges(self.context, options.interceptor)
        self._next_sweep: asyncio.TimerHandle

    def _destination(self, name: str, gate: Gate) -> Destination:
        options = self._options
        rules = options.services.get(name, DestinationOptions())
        responses = ResponseContext(
            *(self.loop, rules.response_fields, options.injector, options.hides_alt_svc),
            strips=rules.strips,
        )
        complaints = Complaints(partial(self._say, name))
        connector = Connector(responses, complaints.add, self._connecting)
        connections = ServerConnections(responses, connector, complaints, self._tunnels)
        return Destination(name, gate, connections, rules)

    @asynccontextmanager
    async def serve(
        self, sockets: Sequence[socket.socket], dashboard_ends: Collection[int | str] = ()
    ) -> AsyncIterator[None]:
        """Accept connections on `sockets` until the context is left.

        `dashboard_ends` are the ports, and the paths of Unix sockets, that serve the dashboard
        only.
        """
        self.context.readers.dashboard_ends = frozenset(dashboard_ends)
        servers = [await self._listen(sock) for sock in sockets]
        self._sweep()
        async with self._connecting:
            try:
                yield
            finally:
                # Before the task group ends, which cannot create a task for a connection then.
                self._next_sweep.cancel()
                for server in servers:
                    server.close()
                self._abort_all()
                for destination in self.destinations.values():
                    destination.connections.connector.cancel()

    def new_client(
        self, fields: bytes = b"", reader: RequestReader | None = None
    ) -> ClientConnection:
        """Make the protocol of a client's connection; see `ClientConnection`."""
        return ClientConnection(self.exchanges, fields, reader)

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        is_unix = sock.family == socket.AF_UNIX
        create = self.loop.create_unix_server if is_unix else self.loop.create_server
        return await create(self.new_client, sock=sock, backlog=BACKLOG)

    @asynccontextmanager
    async def serve_visits(self) -> AsyncIterator[Path]:
        """Listen on a private Unix socket, over which the archive alone fetches items of the site.

        The archive's HTTP client needs a socket. The peer's forwarding fields are believed, but its
        requests are untrusted, like those of visitors from outside. To be used within `serve`.
        """
        reader = self.context.readers.of_visitors(is_stream=False)
        with private_folder() as folder:
            path = folder / "visits"
            server = await self.loop.create_unix_server(
                lambda: self.new_client(reader=reader), path, backlog=BACKLOG
            )
            try:
                with lasting_name(path) as name:
                    yield Path(name)
            finally:
                server.close()

    def _abort_all(self) -> None:
        self.context.pool.drop()
        for client in list(self.context.clients):
            client.abort()
        for tunnel in list(self._tunnels):
            tunnel.end_generation()

    def _trusts(self, node: str) -> bool:
        # A node that is `unknown` or an obfuscated name is not in any network.
        return is_in(node, self._trusted)

    # Called by the admin

    def replay(self, record: RequestRecord) -> RequestRecord:
        """Send a recorded request; it is held, refused and retried like that of a client."""
        request = dataclasses.replace(record.request, keep_alive=False, is_stream=False)
        return ReplayClient(self.exchanges, record.id).send(request, record.body or b"")

    def _sweep(self) -> None:
        now = self.loop.time()
        unanswered: Counter[str] = Counter()
        self.context.pool.sweep(now, IDLE_UPSTREAM_S)
        for client in list(self.context.clients):
            with contained("a connection"):
                unanswered[client.sweep(now, IDLE_UPSTREAM_S, ANSWER_TIMEOUT_S)] += 1
        for destination in self.destinations.values():
            destination.look(now, unanswered[destination.name])
        self._next_sweep = self.loop.call_later(SWEEP_S, self._sweep)


def listen(address: Address) -> list[socket.socket]:
    """Listen on every host of `address`; port 0 selects a free one. Raises UserError.

    One of the two address families of `localhost` may be missing on a machine.
    """
    try:
        return on_every_host(address, _listen)
    except OSError as error:
        raise UserError(_cannot_listen(address, error)) from error


def _listen(host: str, port: int) -> socket.socket:
    with binding(host, port, socket.SOCK_STREAM) as sock:
        sock.listen(BACKLOG)
        sock.setblocking(False)
    return sock


def _cannot_listen(address: Address, error: OSError) -> str:
    if error.errno == errno.EACCES and 0 < address.port < 1024:
        return (
            f"BIND {address}: ports below 1024 are root's; choose another, or on Linux allow it: "
            f"sysctl net.ipv4.ip_unprivileged_port_start={address.port}"
        )
    if error.errno == errno.EADDRINUSE:
        return f"BIND {address} is in use: choose another port, or end what listens there"
    return f"cannot listen on {address}: {error.strerror}"
