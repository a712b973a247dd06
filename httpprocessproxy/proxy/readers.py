"""The parsers of requests: one for each kind of peer, shared by all its connections.

RFC 9110 section 7.6.3 allows a pseudonym in Via. It is unique to each proxy, so that a chain of two
proxies is not a loop.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import canonical
from httpprocessproxy.core.http.reader import Interceptors, RequestReader
from httpprocessproxy.core.page.documents import Injector

# The limit of cached readers; nearly all connections come from one address.
MAX_READERS: Final = 64

_Key = tuple[str, str, int, bytes]


class Readers:
    """Makes and caches the readers."""

    def __init__(
        self,
        hosts: HostRule,
        trusts: Callable[[str], bool],
        injector: Injector | None,
        interceptors: Interceptors | None,
    ) -> None:
        """`trusts` returns whether a node is in a network of --forwarded-allow-ips."""
        self.trusts = trusts
        # The ports, and the paths of Unix sockets, that serve the dashboard only.
        self.dashboard_ends: frozenset[int | str] = frozenset()
        self._hosts = hosts
        self._injector = injector
        self._interceptors = interceptors
        self._name = b"http-process-proxy-" + secrets.token_hex(4).encode()
        self._cached: dict[_Key, RequestReader] = {}
        self.private = self._new(Peer(None, trusted=True, trusts=trusts))
        self._dashboard = self._new(Peer(None, trusted=True, is_for_dashboard=True, trusts=trusts))

    def of_connection(self, transport: asyncio.Transport) -> RequestReader:
        """Return the reader for a connection of HTTP/1.1.

        The peer of a Unix socket has no address, and is the user of the proxy.
        """
        name, end = (transport.get_extra_info(key) for key in ("peername", "sockname"))
        if not isinstance(name, tuple):
            return self._dashboard if end in self.dashboard_ends else self.private
        is_tls = transport.get_extra_info("sslcontext") is not None
        key = name[0], end[0], end[1], b"https" if is_tls else b"http"
        return self._cached.get(key) or self._store(key, self._new(self._peer(*key)))

    def of_stream(self, version: str, ip: str, port: int) -> RequestReader:
        """Return the reader for a stream of HTTP/2 or HTTP/3 (`version`) from `ip` to `port`."""
        key = ip, version, port, b"https"
        cached = self._cached.get(key)
        if cached is not None:
            return cached
        peer = Peer(
            str(canonical(ip)),
            self.trusts(ip),
            b"https",
            is_for_dashboard=port in self.dashboard_ends,
            is_stream=True,
            trusts=self.trusts,
        )
        return self._store(key, self._new(peer, version))

    def of_visitors(self, *, is_stream: bool) -> RequestReader:
        """Return a reader for requests of visitors from outside.

        The peer's forwarding fields are believed, but its requests are untrusted. Visitors use a
        host that is checked elsewhere, and that is not on this proxy's allow-list.
        """
        peer = Peer(
            None, trusted=True, is_for_visitors=True, is_stream=is_stream, trusts=self.trusts
        )
        return self._new(peer)

    def _peer(self, ip: str, host: str, port: int, proto: bytes) -> Peer:
        return Peer(
            str(canonical(ip)),
            self.trusts(ip),
            proto,
            str(Address(host, port)).encode(),
            is_for_dashboard=port in self.dashboard_ends,
            trusts=self.trusts,
        )

    def _new(self, peer: Peer, version: str = "1.1") -> RequestReader:
        via = b"%b %b" % (version.encode(), self._name)
        hosts = None if peer.is_for_visitors else self._hosts
        return RequestReader(peer, via, hosts, self._injector, self._interceptors)

    def _store(self, key: _Key, reader: RequestReader) -> RequestReader:
        if len(self._cached) >= MAX_READERS:
            self._cached.clear()
        self._cached[key] = reader
        return reader
