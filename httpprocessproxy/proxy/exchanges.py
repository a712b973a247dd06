"""Makes the exchange of each request: the plain one, or that of an interceptor."""

from typing import Protocol

from httpprocessproxy.core.http.reader import Interceptors
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interfaces import Downstream


class Interceptor(Interceptors, Protocol):
    """A companion that handles some requests itself, before the backend.

    `takes` is called once for each set of fields, so that all other requests have no cost.
    """

    def exchange(self, client: Downstream, context: ProxyContext, request: Request) -> Exchange:
        """Return the exchange of an intercepted request."""


class Exchanges:
    """Makes the exchanges of all clients."""

    __slots__ = ("_interceptor", "context")

    def __init__(self, context: ProxyContext, interceptor: Interceptor | None) -> None:
        self.context = context
        self._interceptor = interceptor

    def new(self, client: Downstream, request: Request) -> Exchange:
        """Return the exchange of a request; `start` begins it."""
        interceptor = self._interceptor if request.is_intercepted else None
        if interceptor is None or request.is_for_dashboard:
            return Exchange(client, self.context, request)
        return interceptor.exchange(client, self.context, request)
