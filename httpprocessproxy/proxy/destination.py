"""A destination of requests: one service, as the data plane knows it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence, SilenceMeter
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


@dataclass(frozen=True, slots=True)
class DestinationOptions:
    """The rules for one service.

    response_fields  corrects the fields of its responses
    takes_back       requests may be reclaimed before a server accepts them: see
                     `Destination.reclaim_unaccepted`
    strips           targets go to it without the path of their route
    unreachable      returns the error response if a server that the proxy has not started accepts
                     no connection
    """

    response_fields: ResponseFields = field(default_factory=ResponseFields)
    takes_back: bool = False
    strips: bool = False
    unreachable: Callable[[], Problem] | None = None


@dataclass(slots=True)
class ServerConnections:
    """The connections to a service's server: open, being made, and switched to tunnels.

    `tunnels` are those of all services.
    """

    responses: ResponseContext
    connector: Connector
    complaints: Complaints
    tunnels: dict[OpenTunnel, GenerationId]


class Destination:
    """A service's gate, and the effects of its generations: the `DataPlane` of the service.

    `silence` is the time without any response, at the last `look`; None if no request waits.
    """

    __slots__ = (
        *("_meter", "_options", "connections", "gate", "name", "silence", "strips"),
        *("takes_back",),
    )

    def __init__(
        self, name: str, gate: Gate, connections: ServerConnections, options: DestinationOptions
    ) -> None:
        self.name = name
        self.gate = gate
        self.connections = connections
        self.takes_back = options.takes_back
        self.strips = options.strips
        self.silence: Silence | None = None
        self._options = options
        self._meter = SilenceMeter()

    def unreachable(self) -> Problem | None:
        """Return the error response if an external server accepts no connection."""
        return self._options.unreachable() if self._options.unreachable is not None else None

    @property
    def is_used(self) -> bool:
        """Whether a request is in progress, or a connection is open that serves one client."""
        connections = self.connections
        return (
            any(u.is_busy and u.generation is not None for u in connections.responses.upstreams)
            or connections.connector.is_connecting
            or any(of.service == self.name for of in connections.tunnels.values())
        )

    def look(self, now: float, requests: int) -> None:
        """Measure the silence, with the number of complete requests without a response."""
        self.silence = self._meter.look(now, self.gate.answers, requests)

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Reclaim requests on connections, by their local addresses, that no server accepted."""
        for upstream in [u for u in self.connections.responses.upstreams if u.end in ends]:
            upstream.reclaim_unaccepted()

    def give_up(self, problem: Problem) -> None:
        """Answer requests with `problem` that were sent to the service and have no response."""
        for upstream in list(self.connections.responses.upstreams):
            if upstream.generation is not None:
                upstream.give_up(problem)

    def supersede(self, generation: GenerationId) -> None:
        """Say in responses of this generation that newer files exist."""
        responses = self.connections.responses
        responses.superseded.add(generation)
        for upstream in [u for u in responses.upstreams if u.generation == generation]:
            upstream.name_generation()

    def end_generation(self, generation: GenerationId) -> None:
        """Close all connections to this generation; no response of it reaches a client any more."""
        connections = self.connections
        connections.complaints.clear()
        connections.responses.superseded.discard(generation)
        self._meter.restarted()
        self.silence = None
        connections.connector.end_generation(generation)
        for upstream in [u for u in connections.responses.upstreams if u.generation == generation]:
            upstream.end_generation()
        for tunnel in [tunnel for tunnel, of in connections.tunnels.items() if of == generation]:
            tunnel.end_generation()
