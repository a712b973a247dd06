"""The router: finds the service of a request (`core/routes.py`), and strips the route's path."""

from collections.abc import Mapping
from typing import Final

from httpprocessproxy.core.http.request import Request, StrippedRequest
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.routes import RouteTable
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.destination import Destination
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.unwatched import NoChanges

# At most 512 KiB: the number of known paths, and the size of the longest one with its host. The
# look-up of a path takes a quarter of the time of the search.
MAX_KNOWN: Final = 2048
MAX_KNOWN_BYTES: Final = 256


class RequestRouter:
    """The routes to destinations; `only` is the destination of every request, if it is the same."""

    __slots__ = ("_index", "_known", "_leads", "no_service", "only")

    def __init__(
        self, routes: RouteTable, destinations: Mapping[str, Destination], elsewhere: Destination
    ) -> None:
        """`elsewhere` gets the requests outside all routes."""
        self._index = routes.index
        self._known: dict[bytes, tuple[Destination, bytes]] = {}  # keyed by host and path
        self._leads = [
            (destinations[name], route.path.encode() if destinations[name].strips else b"")
            for route, name in routes.ranked
        ]
        self._leads.append((elsewhere, b""))
        # The gate of the admin, too, whose responses are not those of a service.
        self.no_service = elsewhere.gate
        self.only = destinations[routes.only] if routes.only is not None else None

    def lead(self, request: Request) -> tuple[Destination, Request]:
        """Return the destination of a request, and the request to send there."""
        path = request.target
        if 0x3F in path:  # a question mark
            path = path.partition(b"?")[0]
        key = request.host + path
        lead = self._known.get(key)
        if lead is None:
            lead = self._leads[self._index(request.host, path)]
            self._keep(key, lead)
        destination, prefix = lead
        return destination, StrippedRequest.of(request, prefix) if prefix else request

    def _keep(self, key: bytes, lead: tuple[Destination, bytes]) -> None:
        if len(key) <= MAX_KNOWN_BYTES:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = lead


class NoService:
    """The `Problems` of a gate that refuses every request: none of the routes leads anywhere."""

    def __init__(self, routes: RouteTable) -> None:
        self._problem = problems.no_service(routes)

    def overdue(self) -> Problem:
        return self._problem

    starting = overdue


def refusing_gate(routes: RouteTable) -> Gate:
    """Return the gate of requests outside all routes."""
    no_service = NoService(routes)
    gate = Gate(GateLimits(0), no_service, NoChanges())
    gate.refuse(no_service.overdue)
    return gate
