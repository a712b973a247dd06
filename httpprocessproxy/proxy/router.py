"""The router: finds the service of a request (`core/routes.py`), and strips the route's path."""

from collections.abc import Mapping

from httpprocessproxy.core.http.request import Request, StrippedRequest
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.routes import RouteTable
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.destination import Destination
from httpprocessproxy.service.gate import Gate, GateLimits
from httpprocessproxy.service.unwatched import NoChanges


class RequestRouter:
    """The routes to destinations; `only` is the destination of every request, if it is the same."""

    __slots__ = ("_destinations", "_elsewhere", "_find", "only")

    def __init__(
        self, routes: RouteTable, destinations: Mapping[str, Destination], elsewhere: Destination
    ) -> None:
        """`elsewhere` gets the requests outside all routes."""
        self._find = routes.find
        self._destinations = destinations
        self._elsewhere = elsewhere
        self.only = destinations[routes.only] if routes.only is not None else None

    def lead(self, request: Request) -> tuple[Destination, Request]:
        """Return the destination of a request, and the request to send there."""
        found = self._find(request.host, request.target)
        if found is None:
            return self._elsewhere, request
        name, route = found
        destination = self._destinations[name]
        if destination.strips and route.path:
            return destination, StrippedRequest.of(request, route.path.encode())
        return destination, request


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
