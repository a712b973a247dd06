"""State shared by all exchanges and clients: destinations, the log, the registries, the parsers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.proxy.arrivals import Arrivals
from httpprocessproxy.proxy.destination import Destination, OpenTunnel
from httpprocessproxy.proxy.idle_upstreams import UpstreamPool
from httpprocessproxy.proxy.interfaces import Downstream
from httpprocessproxy.proxy.readers import Readers
from httpprocessproxy.proxy.router import RequestRouter


@dataclass(slots=True)
class ProxyContext:
    """The shared state.

    destination   the service of every request; None if the router has to find it
    admin_socket  `(target, is_trusted, is_dashboard)` -> the path of the Unix socket that serves a
                  target of the dashboard, or one of the site below `/_hpp/`; None if it requires a
                  trusted client
    """

    loop: asyncio.AbstractEventLoop
    router: RequestRouter
    log: RequestLog
    readers: Readers
    admin_socket: Callable[[bytes, bool, bool], str | None]
    tunnels: dict[OpenTunnel, GenerationId]
    destination: Destination | None = field(init=False)
    arrivals: Arrivals = field(init=False)
    pool: UpstreamPool = field(default_factory=UpstreamPool)
    clients: set[Downstream] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.destination = self.router.only
        self.arrivals = Arrivals(self.loop)
