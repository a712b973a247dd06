"""A destination of requests: one service, as the data plane knows it."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence, SilenceMeter
from httpprocessproxy.proxy.arrivals import Arrivals
from httpprocessproxy.proxy.connecting import Connector
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
class ServerConnections:
    """The connections to the servers of all services: open, being made, and switched to tunnels."""

    responses: ResponseContext
    connector: Connector
    complaints: Complaints
    tunnels: dict[OpenTunnel, GenerationId] = field(default_factory=dict)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.responses.loop


class Destination:
    """A service's gate, and the effects of its generations: the `DataPlane` of the service.

    `silence` is the time without any response, at the last `look`; None if no request waits.
    `takes_back`: requests may be reclaimed before a server accepts them.
    """

    __slots__ = ("_connections", "_meter", "arrivals", "gate", "name", "silence", "takes_back")

    def __init__(
        self, name: str, gate: Gate, connections: ServerConnections, *, takes_back: bool
    ) -> None:
        self.name = name
        self.gate = gate
        self.takes_back = takes_back
        self.arrivals = Arrivals(connections.loop, gate)
        self.silence: Silence | None = None
        self._connections = connections
        self._meter = SilenceMeter()

    def look(self, now: float, requests: int) -> None:
        """Measure the silence, with the number of complete requests without a response."""
        self.silence = self._meter.look(now, self.gate.answers, requests)

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Reclaim requests on connections, by their local addresses, that no server accepted."""
        for upstream in [u for u in self._connections.responses.upstreams if u.end in ends]:
            upstream.reclaim_unaccepted()

    def give_up(self, problem: Problem) -> None:
        """Answer requests with `problem` that were sent to the service and have no response."""
        for upstream in list(self._connections.responses.upstreams):
            if upstream.generation is not None and upstream.generation.service == self.name:
                upstream.give_up(problem)

    def end_generation(self, generation: GenerationId) -> None:
        """Close all connections to this generation; no response of it reaches a client any more."""
        connections = self._connections
        connections.complaints.clear()
        self._meter.restarted()
        self.silence = None
        connections.connector.end_generation(generation)
        for upstream in [u for u in connections.responses.upstreams if u.generation == generation]:
            upstream.end_generation()
        for tunnel in [tunnel for tunnel, of in connections.tunnels.items() if of == generation]:
            tunnel.end_generation()
