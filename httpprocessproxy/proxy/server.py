"""What all connections of the data plane share: listeners, registries, the end of a generation."""

import asyncio
import dataclasses
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.forwarded import Peer, untrusted_peers
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import Network, canonical, is_in
from httpprocessproxy.core.http.reader import RequestReader, ResponseReader
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence, SilenceMeter
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.connecting import Connector
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interceptor import Interceptor
from httpprocessproxy.proxy.null_transport import NullTransport
from httpprocessproxy.proxy.tunnel import BackendEnd
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.waiter import Target
from httpprocessproxy.system.faults import contained
from httpprocessproxy.system.private_folders import lasting_name, private_folder
from httpprocessproxy.system.sockets import binding, on_every_host

# Below the 5 s after which Node closes a connection that idles: we close first, so no request is
# on its way when it does.
IDLE_UPSTREAM_S: Final = 4.0

# A backend may compute, or a long poll wait, for an hour.
ANSWER_TIMEOUT_S: Final = 3600.0

SWEEP_S: Final = 1.0

# Nearly every connection comes from the same address.
MAX_READERS: Final = 64
BACKLOG: Final = 1024

# More lines of one kind tell a person nothing.
MAX_COMPLAINTS: Final = 20


class ProxyServer:
    """Use it as an async context manager: leaving it ends every connection."""

    def __init__(
        self,
        gate: Gate,
        hosts: HostRule,
        forwarded_allow_ips: Sequence[Network],
        log: RequestLog,
        our_pages: Callable[[bytes, bool, bool], str | None],
        injector: Injector | None = None,
        interceptor: Interceptor | None = None,
        say: Callable[[str], None] = lambda text: None,
        response_fields: ResponseFields | None = None,
        *,
        hides_alt_svc: bool = False,
        takes_back: bool = False,
    ) -> None:
        """`our_pages` gives the Unix socket that serves a target of the dashboard, or one of the
        site that begins with `/_hpp/`.

        It is told whether the client is trusted, and whether the dashboard is asked; None is for a
        client that has to be trusted. `injector` puts our script into documents; `interceptor`
        serves some requests in a way of its own; `say` shows a line; `response_fields` decides
        about a response's fields. `hides_alt_svc` keeps the backend from saying where else it can
        be had (RFC 7838): what browsers reach is not the backend. `takes_back`: of what is sent to
        it, some may be taken back (see there).
        """
        self.loop = asyncio.get_running_loop()
        self.gate = gate
        self.log = log
        self.clients: set[ClientConnection] = set()
        self.upstreams: set[UpstreamConnection] = set()
        self.tunnels: dict[BackendEnd, int] = {}
        self._hosts = hosts
        self._trusted = tuple(forwarded_allow_ips)
        self.injector = injector
        self.interceptor = interceptor
        self._our_pages = our_pages
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
        # RFC 9110 section 7.6.3 allows a pseudonym. One of its own for each proxy, so that
        # two in a row are no loop.
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

        `dashboard_ends` are the ports, and the paths of Unix sockets, that lead to the dashboard
        alone.
        """
        self._dashboard_ends = frozenset(dashboard_ends)
        servers = [await self._listen(sock) for sock in sockets]
        self._sweep()
        async with self._connector:
            try:
                yield
            finally:
                # Before the task group is told to end: nobody may ask it for a connection then.
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
        """Listen on a private Unix socket for who brings the requests of visitors from outside.

        It may say for whom it speaks, and is trusted in that alone. Within `serve`.
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

    # What a client's connection asks

    def reader(self, transport: asyncio.Transport) -> RequestReader:
        """Who reads what comes on this connection: one reader for each peer, not connection.

        A Unix socket's peer has no address, and is this very user.
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
        # Visitors come by a host that is known elsewhere, and that no browser finds us by.
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
        """Who comes from an address to where HTTP/2 or HTTP/3 ends."""
        return Peer(str(canonical(ip)), self._trusts(ip), b"https", trusts=self._trusts)

    def connect(self, exchange: Exchange, target: Target) -> None:
        """Connect to the backend of a generation, and go on with `exchange.connected` or `lost`."""
        self._connector.to_backend(exchange, target)

    def connect_to_our_pages(self, exchange: Exchange, *, is_dashboard: bool = False) -> None:
        """Go to our pages: which of them are to be had depends on who asks."""
        request = exchange.request
        path = self._our_pages(request.target, request.is_trusted, is_dashboard)
        if path is None:
            untrusted = untrusted_peers(request.head, exchange.client.peer)
            exchange.refused(problems.untrusted(untrusted[-1]))
        else:
            self._connector.to_our_pages(exchange, path)

    def _trusts(self, node: str) -> bool:
        # One that is unknown, or hidden by a name, is not.
        return is_in(node, self._trusted)

    def complain(self, text: str) -> None:
        """Show a line about the backend: the same one once for each of its starts."""
        if text not in self._complaints and len(self._complaints) < MAX_COMPLAINTS:
            self._complaints.add(text)
            self._say(text)

    # What our pages ask

    def replay(self, record: RequestRecord) -> RequestRecord:
        """Send a request again; it is held, refused and repeated as if its client had."""
        client = ClientConnection(self)
        client.replay_of = record.id
        client.connection_made(NullTransport(client))
        request = dataclasses.replace(record.request, keep_alive=False)
        return client.serve(request, record.body or b"").record

    # The end of a generation

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """No server has accepted these ends of our connections to the backend, and none will."""
        for upstream in [u for u in self.upstreams if u.end in ends]:
            upstream.reclaim_unaccepted()

    def give_up(self, problem: Problem) -> None:
        """Answer requests with `problem` that a backend has got and does not answer."""
        for upstream in list(self.upstreams):
            upstream.give_up(problem)

    def end_generation(self, generation: int) -> None:
        """Nothing of this backend may reach a client any more or be used again."""
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
    """Listen on every host of `address`; port 0 takes one that is free. Raises UserError.

    Of the two families of `localhost`, one may be missing on a machine.
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
