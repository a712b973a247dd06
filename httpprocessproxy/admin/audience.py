"""The clients of `/_hpp/events`: which services the news is about that each of them gets.

A page sends the path of its URL. It hears of its own service, and of the others at its host, since
it may fetch from them. Programs and the dashboard send no path, and hear of all services.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.page.messages import ClientHello
from httpprocessproxy.core.routes import RouteTable
from httpprocessproxy.events import Event, OutputPrinted, Refreshed


@dataclass(frozen=True, slots=True)
class Audience:
    """One client.

    service    the service of its page; of a client without a page, the first one with a route
    at_host    the services that its page may reach, whose restarts reload it
    is_page    whether it hears the output of its service alone, and refreshes of those at its host
    """

    service: str
    at_host: frozenset[str]
    is_page: bool
    is_trusted: bool

    def hears(self, event: Event) -> bool:
        """Whether an event of a topic that it gets is about a service that it hears of."""
        if not self.is_page:
            return True
        match event:
            case OutputPrinted():
                return event.service == self.service
            case Refreshed():
                return event.service in self.at_host
        return True


class Audiences:
    """Finds the services of clients."""

    def __init__(self, services: Sequence[ServiceConfig]) -> None:
        self._names = frozenset(service.name for service in services)
        self._table = RouteTable({service.name: service.routes for service in services})
        routed = (service.name for service in services if service.routes)
        self._first = next(routed, services[0].name)

    def of(self, hello: ClientHello, host: str, *, is_trusted: bool) -> Audience:
        """Return the audience of a client that has sent `hello`; `host` is its field Host."""
        if not hello.path:
            return Audience(self._first, self._names, False, is_trusted)
        name = host.encode("latin-1", "replace")
        service = hello.service
        if service not in self._names:
            found = self._table.find(name, hello.path.encode("latin-1", "replace"))
            service = self._first if found is None else found[0]
        # A page of the proxy may be about a service without a route, which its own one needs.
        return Audience(service, self._table.services_at(name) | {service}, True, is_trusted)
