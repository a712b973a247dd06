"""What may stand between some requests and the backend: a companion's, of which we know no more."""

from typing import TYPE_CHECKING, Protocol

from httpprocessproxy.core.http.reader import Interceptors
from httpprocessproxy.core.http.request import Request

if TYPE_CHECKING:
    from httpprocessproxy.proxy.client_connection import ClientConnection
    from httpprocessproxy.proxy.exchange import Exchange
    from httpprocessproxy.proxy.server import ProxyServer


class Interceptor(Interceptors, Protocol):
    """Asked once for each set of fields; all other requests pay nothing for it."""

    def exchange(
        self, client: "ClientConnection", proxy_server: "ProxyServer", request: Request
    ) -> "Exchange":
        """Who serves such a request; the data plane treats it as any other exchange."""
