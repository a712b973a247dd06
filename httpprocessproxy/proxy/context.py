"""State shared by all exchanges and clients: destinations, the log, the registries, the parsers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.proxy.destination import Destination, ServerConnections
from httpprocessproxy.proxy.idle_upstreams import UpstreamPool
from httpprocessproxy.proxy.interfaces import Downstream
from httpprocessproxy.proxy.readers import Readers


@dataclass(slots=True)
class ProxyContext:
    """The shared state.

    destinations  the services, by their names
    admin_socket  `(target, is_trusted, is_dashboard)` -> the path of the Unix socket that serves a
                  target of the dashboard, or one of the site below `/_hpp/`; None if it requires a
                  trusted client
    """

    destinations: Mapping[str, Destination]
    log: RequestLog
    readers: Readers
    connections: ServerConnections
    admin_socket: Callable[[bytes, bool, bool], str | None]
    loop: asyncio.AbstractEventLoop = field(init=False)
    destination: Destination = field(init=False)  # of every request: the only service
    pool: UpstreamPool = field(default_factory=UpstreamPool)
    clients: set[Downstream] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.loop = self.connections.loop
        (self.destination,) = self.destinations.values()
