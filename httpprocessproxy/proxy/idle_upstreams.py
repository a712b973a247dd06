"""Idle connections to the backend, kept for later requests (RFC 9112 section 9.3).

An unsafe request, or one with a body, gets a new connection: an idle one may be closing, and the
request could perhaps not be sent a second time.
"""

from typing import Final

from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.proxy.interfaces import Upstream

# To each service: as many as browsers open without a proxy (6), for about five pages at a time.
MAX_POOLED: Final = 32


class IdleUpstream:
    """The idle connections of one client of HTTP/1.1 for its next requests, one to each service.

    `_upstream` is the one used last; the others are kept by the names of their services.
    """

    __slots__ = ("_others", "_upstream")

    def __init__(self) -> None:
        self._upstream: Upstream | None = None
        self._others: dict[str, Upstream] = {}

    def take(self, generation: GenerationId, request: Request) -> Upstream | None:
        """Return the connection, if this request may use it; otherwise close it."""
        upstream, self._upstream = self._upstream, None
        if upstream is None or upstream.generation != generation:
            upstream = self._exchanged(upstream, generation)
        if upstream is None or upstream.transport.is_closing():
            return None
        if request.is_safe and request.content_length == 0:
            return upstream
        upstream.close()
        return None

    def _exchanged(self, upstream: Upstream | None, generation: GenerationId) -> Upstream | None:
        """Keep a connection to another service, and return the one to this generation."""
        if upstream is not None:
            assert upstream.generation is not None, "`put` closes a connection to the admin"
            self._others[upstream.generation.service] = upstream
        found = self._others.pop(generation.service, None)
        if found is None or found.generation == generation:
            return found
        found.close()
        return None

    def put(self, upstream: Upstream) -> None:
        if upstream.generation is None:
            upstream.close()
            return
        if self._upstream is not None:
            self._upstream.close()
        self._upstream = upstream

    def sweep(self, now: float, idle_s: float) -> None:
        """Close the connections that have been idle for more than `idle_s` seconds."""
        if self._upstream is not None and now - self._upstream.idle_since > idle_s:
            self._upstream.close()
            self._upstream = None
        for service, other in list(self._others.items()):
            if now - other.idle_since > idle_s:
                other.close()
                del self._others[service]

    def drop(self) -> None:
        """Close all connections."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        while self._others:
            self._others.popitem()[1].close()


class UpstreamPool:
    """The idle connections of all streams. The one used last is the least likely to be closed."""

    __slots__ = ("_of_services",)

    def __init__(self) -> None:
        # Keyed by the names of the services; ordered by the time of their last use.
        self._of_services: dict[str, list[Upstream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of_services.values()))

    def take(self, generation: GenerationId, request: Request) -> Upstream | None:
        """Return the connection used last, if this request may use one."""
        if not request.is_safe or request.content_length != 0:
            return None
        upstreams = self._of_services.get(generation.service)
        while upstreams:
            upstream = upstreams.pop()
            if upstream.generation == generation and not upstream.transport.is_closing():
                return upstream
            upstream.close()
        return None

    def put(self, upstream: Upstream) -> None:
        if upstream.generation is None or upstream.transport.is_closing():
            upstream.close()
            return
        upstreams = self._of_services.setdefault(upstream.generation.service, [])
        upstreams.append(upstream)
        if len(upstreams) > MAX_POOLED:
            upstreams.pop(0).close()

    def sweep(self, now: float, idle_s: float) -> None:
        """Close the connections that have been idle for more than `idle_s` seconds."""
        for service, upstreams in self._of_services.items():
            kept = []
            for upstream in upstreams:
                if upstream.transport.is_closing() or now - upstream.idle_since > idle_s:
                    upstream.close()
                else:
                    kept.append(upstream)
            self._of_services[service] = kept

    def drop(self) -> None:
        """Close all connections."""
        while self._of_services:
            for upstream in self._of_services.popitem()[1]:
                upstream.close()
