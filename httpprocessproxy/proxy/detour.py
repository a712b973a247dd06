"""What may stand between some requests and the backend: a companion's, of which we know no more."""

from typing import TYPE_CHECKING, Protocol

from httpprocessproxy.core.headers import Request
from httpprocessproxy.core.reader import Detours

if TYPE_CHECKING:
    from httpprocessproxy.proxy.client import Client
    from httpprocessproxy.proxy.exchange import Exchange
    from httpprocessproxy.proxy.plane import Plane


class Detour(Detours, Protocol):
    """Asked once for each set of fields; all other requests pay nothing for it."""

    def exchange(self, client: "Client", plane: "Plane", request: Request) -> "Exchange":
        """Who serves such a request; the data plane treats it as any other exchange."""
