"""Idle connections to the backend, kept for later requests (RFC 9112 section 9.3).

An unsafe request, or one with a body, gets a new connection: an idle one may be closing, and the
request could perhaps not be sent a second time.
"""

from typing import Final

from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.proxy.interfaces import Upstream

# As many as browsers open without a proxy (6), for about five pages at a time.
MAX_POOLED: Final = 32


class IdleUpstream:
    """The idle connection of one client of HTTP/1.1, kept for its next request."""

    __slots__ = ("_upstream",)

    def __init__(self) -> None:
        self._upstream: Upstream | None = None

    def take(self, generation: GenerationId, request: Request) -> Upstream | None:
        """Return the connection, if this request may use it; otherwise close it."""
        upstream, self._upstream = self._upstream, None
        if upstream is None or upstream.transport.is_closing():
            return None
        if upstream.generation == generation and request.is_safe and request.content_length == 0:
            return upstream
        upstream.close()
        return None

    def put(self, upstream: Upstream) -> None:
        self.drop()
        if upstream.generation is None:
            upstream.close()
        else:
            self._upstream = upstream

    def sweep(self, now: float, idle_s: float) -> None:
        """Close a connection that has been idle for more than `idle_s` seconds."""
        if self._upstream is not None and now - self._upstream.idle_since > idle_s:
            self.drop()

    def drop(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()


class UpstreamPool:
    """The idle connections of all streams. The one used last is the least likely to be closed."""

    __slots__ = ("_upstreams",)

    def __init__(self) -> None:
        self._upstreams: list[Upstream] = []  # ordered by the time of their last use

    def __len__(self) -> int:
        return len(self._upstreams)

    def take(self, generation: GenerationId, request: Request) -> Upstream | None:
        """Return the connection used last, if this request may use one."""
        if not request.is_safe or request.content_length != 0:
            return None
        while self._upstreams:
            upstream = self._upstreams.pop()
            if upstream.generation == generation and not upstream.transport.is_closing():
                return upstream
            upstream.close()
        return None

    def put(self, upstream: Upstream) -> None:
        if upstream.generation is None or upstream.transport.is_closing():
            upstream.close()
            return
        self._upstreams.append(upstream)
        if len(self._upstreams) > MAX_POOLED:
            self._upstreams.pop(0).close()

    def sweep(self, now: float, idle_s: float) -> None:
        """Close the connections that have been idle for more than `idle_s` seconds."""
        kept = []
        for upstream in self._upstreams:
            if upstream.transport.is_closing() or now - upstream.idle_since > idle_s:
                upstream.close()
            else:
                kept.append(upstream)
        self._upstreams = kept

    def drop(self) -> None:
        """Close all connections."""
        upstreams, self._upstreams = self._upstreams, []
        for upstream in upstreams:
            upstream.close()
