"""The proxy server: state shared by all connections of the data plane.

Listeners, registries of connections, parsers of heads, time limits, and the end of a generation.
"""

import asyncio
import dataclasses
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.forwarded import Peer, untrusted_peers
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import Network, canonical, is_in
from httpprocessproxy.core.http.reader import Interceptors, RequestReader, ResponseReader
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence, SilenceMeter
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.arrivals import Arrivals
from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.connecting import Connector
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.null_transport import NullTransport
from httpprocessproxy.proxy.tunnel import BackendEnd
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.waiter import Target
from httpprocessproxy.system.faults import contained
from httpprocessproxy.system.private_folders import lasting_name, private_folder
from httpprocessproxy.system.sockets import binding, on_every_host

# Below the 5 s after which Node closes an idle connection: the proxy closes first, so that the
# server does not close while a request is in flight.
IDLE_UPSTREAM_S: Final = 4.0

# A backend may compute, or a long poll may last, for an hour.
ANSWER_TIMEOUT_S: Final = 3600.0

SWEEP_S: Final = 1.0

# The limit of cached readers; nearly all connections come from one address.
MAX_READERS: Final = 64
BACKLOG: Final = 1024

# The limit of different complaints per generation; more of them do not help a person.
MAX_COMPLAINTS: Final = 20


class Interceptor(Interceptors, Protocol):
    """A companion that handles some requests itself, before the backend.

    `takes` is called once for each set of fields, so that all other requests have no cost.
    """

    def exchange(
        self, client: ClientConnection, proxy_server: "ProxyServer", request: Request
    ) -> Exchange:
        """Return the exchange of an intercepted request."""


class ProxyServer:
    """Accepts connections within the context of `serve`, whose exit closes all of them."""

    def __init__(
        self,
        gate: Gate,
        hosts: HostRule,
        forwarded_allow_ips: Sequence[Network],
        log: RequestLog,
        admin_socket: Callable[[bytes, bool, bool], str | None],
        injector: Injector | None = None,
        interceptor: Interceptor | None = None,
        say: Callable[[str], None] = lambda text: None,
        response_fields: ResponseFields | None = None,
        *,
        hides_alt_svc: bool = False,
        takes_back: bool = False,
    ) -> None:
        """Set up the server; the arguments are:

        admin_socket     `(target, is_trusted, is_dashboard)` -> the path of the Unix socket that
                         serves a target of the dashboard, or one of the site below `/_hpp/`; None
                         if it requires a trusted client
        injector         puts the script into documents
        interceptor      handles some requests before the backend
        say              shows a line in the terminal
        response_fields  corrects the fields of responses
        hides_alt_svc    removes Alt-Svc (RFC 7838): it names an address of the backend, and not of
                         the proxy
        takes_back       requests may be reclaimed before a server accepts them: see
                         `reclaim_unaccepted`
        """
        self.loop = asyncio.get_running_loop()
        self.gate = gate
        self.arrivals = Arrivals(self.loop, gate)
        self.log = log
        self.clients: set[ClientConnection] = set()
        self.upstreams: set[UpstreamConnection] = set()
        self.tunnels: dict[BackendEnd, GenerationId] = {}
        self._hosts = hosts
        self._trusted = tuple(forwarded_allow_ips)
        self.injector = injector
        self.interceptor = interceptor
        self._admin_socket = admin_socket
        self._say = say
        self._complaints: set[str] = set()
        self._connector = Connector(self)
        self.hides_alt_svc = hides_alt_svc
        self.takes_back = takes_back
        self._readers: dict[tuple[str, str, int, bytes], RequestReader] = {}
        self.response_fields = response_fields or ResponseFields()
        self.responses = ResponseReader(adds_no_cache=self.response_fields.adds_no_cache)
        self._next_sweep: asyncio.TimerHandle
        self._silence_meter = SilenceMeter()
        self.silence: Silence | None = None  # of the backend, at the last sweep
        # RFC 9110 section 7.6.3 allows a pseudonym. It is unique to each proxy, so that a chain of
        # two proxies is not a loop.
        self._via = b"1.1 http-process-proxy-" + secrets.token_hex(4).encode()
        self._private_reader = self._new_reader(Peer(None, trusted=True, trusts=self._trusts))
        self._visitors_reader = self._new_reader(
            Peer(None, trusted=True, is_for_visitors=True, trusts=self._trusts)
        )
        self._dashboard_reader = self._new_reader(
            Peer(None, trusted=True, is_for_dashboard=True, trusts=self._trusts)
        )
        self._visits_path = ""
        self._dashboard_ends: frozenset[int | str] = frozenset()

    @asynccontextmanager
    async def serve(
        self, sockets: Sequence[socket.socket], dashboard_ends: Collection[int | str] = ()
    ) -> AsyncIterator[None]:
        """Accept connections on `sockets` until the context is left.

        `dashboard_ends` are the ports, and the paths of Unix sockets, that serve the dashboard
        only.
        """
        self._dashboard_ends = frozenset(dashboard_ends)
        servers = [await self._listen(sock) for sock in sockets]
        self._sweep()
        async with self._connector:
            try:
                yield
            finally:
                # Before the task group ends, which cannot create a task for a connection then.
                self._next_sweep.cancel()
                for server in servers:
                    server.close()
                self._abort_all()

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        is_unix = sock.family == socket.AF_UNIX
        create = self.loop.create_unix_server if is_unix else self.loop.create_server
        return await create(lambda: ClientConnection(self), sock=sock, backlog=BACKLOG)

    @asynccontextmanager
    async def serve_visits(self) -> AsyncIterator[Path]:
        """Listen on a private Unix socket for the requests of visitors from outside.

        The peer's forwarding fields are believed, but its requests are untrusted. To be used within
        `serve`.
        """
        with private_folder() as folder:
            path = folder / "visits"
            self._visits_path = str(path)
            server = await self.loop.create_unix_server(
                lambda: ClientConnection(self), self._visits_path, backlog=BACKLOG
            )
            try:
                with lasting_name(path) as name:
                    yield Path(name)
            finally:
                server.close()

    def _abort_all(self) -> None:
        for client in list(self.clients):
            client.leave()
        for end in list(self.tunnels):
            end.end_generation()

    # Called by connections of clients

    def reader(self, transport: asyncio.Transport) -> RequestReader:
        """Return the parser of the connection's requests, shared by all connections of a peer.

        The peer of a Unix socket has no address, and is the user of the proxy.
        """
        name = transport.get_extra_info("peername")
        if not isinstance(name, tuple):
            if self._visits_path and transport.get_extra_info("sockname") == self._visits_path:
                return self._visitors_reader
            if transport.get_extra_info("sockname") in self._dashboard_ends:
                return self._dashboard_reader
            return self._private_reader
        host, port = transport.get_extra_info("sockname")[:2]
        is_tls = transport.get_extra_info("sslcontext") is not None
        key = name[0], host, port, b"https" if is_tls else b"http"
        if key not in self._readers:
            if len(self._readers) >= MAX_READERS:
                self._readers.clear()
            self._readers[key] = self._new_reader(self._peer(*key))
        return self._readers[key]

    def _new_reader(self, peer: Peer) -> RequestReader:
        # Visitors use a host that is checked elsewhere, and that is not on this proxy's allow-list.
        hosts = None if peer.is_for_visitors else self._hosts
        return RequestReader(peer, self._via, hosts, self.injector, self.interceptor)

    def _peer(self, ip: str, host: str, port: int, proto: bytes) -> Peer:
        reached = str(Address(host, port)).encode()
        is_for_dashboard = port in self._dashboard_ends
        return Peer(
            str(canonical(ip)),
            self._trusts(ip),
            proto,
            reached,
            is_for_dashboard=is_for_dashboard,
            trusts=self._trusts,
        )

    def peer_over_tls(self, ip: str) -> Peer:
        """Return the peer with this address on a connection of HTTP/2 or HTTP/3."""
        return Peer(str(canonical(ip)), self._trusts(ip), b"https", trusts=self._trusts)

    def connect(self, exchange: Exchange, target: Target) -> None:
        """Connect to the backend of a generation, then call `exchange.connected` or `lost`."""
        self._connector.to_backend(exchange, target)

    def connect_to_admin(self, exchange: Exchange, *, is_dashboard: bool = False) -> None:
        """Connect to the admin, if the client may use the target; else refuse the request."""
        request = exchange.request
        path = self._admin_socket(request.target, request.is_trusted, is_dashboard)
        if path is None:
            untrusted = untrusted_peers(request.head, exchange.client.peer)
            exchange.refused(problems.untrusted(untrusted[-1]))
        else:
            self._connector.to_admin(exchange, path)

    def _trusts(self, node: str) -> bool:
        # A node that is `unknown` or an obfuscated name is not in any network.
        return is_in(node, self._trusted)

    def complain(self, text: str) -> None:
        """Show a line about the backend, once per generation."""
        if text not in self._complaints and len(self._complaints) < MAX_COMPLAINTS:
            self._complaints.add(text)
            self._say(text)

    # Called by the admin

    def replay(self, record: RequestRecord) -> RequestRecord:
        """Send a recorded request; it is held, refused and retried like that of a client."""
        client = ClientConnection(self)
        client.replay_of = record.id
        client.connection_made(NullTransport(client))
        request = dataclasses.replace(record.request, keep_alive=False)
        return client.serve(request, record.body or b"").record

    # The end of a generation

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Reclaim requests on connections, by their local addresses, that no server accepted."""
        for upstream in [u for u in self.upstreams if u.end in ends]:
            upstream.reclaim_unaccepted()

    def give_up(self, problem: Problem) -> None:
        """Answer requests with `problem` that were sent to the backend and have no response."""
        for upstream in list(self.upstreams):
            upstream.give_up(problem)

    def end_generation(self, generation: GenerationId) -> None:
        """Close all connections to this generation; no response of it reaches a client any more."""
        self._complaints.clear()
        self._silence_meter.restarted()
        self.silence = None
        self._connector.end_generation(generation)
        for upstream in [u for u in self.upstreams if u.generation == generation]:
            upstream.end_generation()
        for end in [end for end, of in self.tunnels.items() if of == generation]:
            end.end_generation()

    def _sweep(self) -> None:
        now, requests = self.loop.time(), 0
        for client in list(self.clients):
            with contained("a connection"):
                requests += client.sweep(now, IDLE_UPSTREAM_S, ANSWER_TIMEOUT_S)
        self.silence = self._silence_meter.look(now, self.gate.answers, requests)
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
