"""The proxy's listening sockets, which serve plain HTTP, or HTTPS with an identity."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from httpprocessproxy.config import Config
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.proxy import ProxyServer

if TYPE_CHECKING:
    from httpprocessproxy.frontends.tls.certificates import Identity


@dataclass(frozen=True, slots=True)
class Listeners:
    """`sockets` listen on BIND, `dashboard_sockets` on a port that serves the dashboard only."""

    sockets: Sequence[socket.socket]
    dashboard_sockets: Sequence[socket.socket]
    identity: "Identity | None"

    @asynccontextmanager
    async def serving(
        self,
        config: Config,
        hosts: HostRule,
        proxy_server: ProxyServer,
        say: Callable[[str], None],
    ) -> AsyncIterator[Mapping[str, str]]:
        """Accept clients until the context is left; yield notes for the start lines, by names."""
        if self.identity is None:
            ends = [sock.getsockname()[1] for sock in self.dashboard_sockets]
            async with proxy_server.serve([*self.sockets, *self.dashboard_sockets], ends):
                yield {}
            return
        # Needs the extra `tls`, whose presence `prepare` has checked.
        from httpprocessproxy.frontends.opening import open_frontends

        sockets = self.sockets, self.dashboard_sockets
        async with open_frontends(
            config, self.identity, proxy_server, hosts, *sockets, say
        ) as notes:
            yield notes
