"""State shared by all exchanges and clients: the gate, the log, the registries, the parsers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.proxy.arrivals import Arrivals
from httpprocessproxy.proxy.connecting import Connector
from httpprocessproxy.proxy.idle_upstreams import UpstreamPool
from httpprocessproxy.proxy.interfaces import Downstream
from httpprocessproxy.proxy.readers import Readers
from httpprocessproxy.proxy.upstream_connection import ResponseContext
from httpprocessproxy.service.gate import Gate

# The limit of different complaints per generation; more of them do not help a person.
MAX_COMPLAINTS: Final = 20


class Complaints:
    """Lines about the backend, each shown once per generation."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def add(self, text: str) -> None:
        if text not in self._said and len(self._said) < MAX_COMPLAINTS:
            self._said.add(text)
            self._say(text)

    def clear(self) -> None:
        """Forget the lines: a generation has ended."""
        self._said.clear()


class OpenTunnel(Protocol):
    """A tunnel to the backend of one generation."""

    def end_generation(self) -> None:
        """Close the tunnel: the backend is being stopped."""


@dataclass(slots=True)
class ProxyContext:
    """The shared state.

    admin_socket  `(target, is_trusted, is_dashboard)` -> the path of the Unix socket that serves a
                  target of the dashboard, or one of the site below `/_hpp/`; None if it requires a
                  trusted client
    takes_back    requests may be reclaimed before a server accepts them
    """

    gate: Gate
    log: RequestLog
    readers: Readers
    responses: ResponseContext
    connector: Connector
    complaints: Complaints
    admin_socket: Callable[[bytes, bool, bool], str | None]
    takes_back: bool
    loop: asyncio.AbstractEventLoop = field(init=False)
    arrivals: Arrivals = field(init=False)
    pool: UpstreamPool = field(default_factory=UpstreamPool)
    clients: set[Downstream] = field(default_factory=set)
    tunnels: dict[OpenTunnel, GenerationId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = self.responses.loop
        self.arrivals = Arrivals(self.loop, self.gate)
