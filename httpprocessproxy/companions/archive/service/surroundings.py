"""What the handlers of a service stand on."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from httpprocessproxy.companions.archive.items import Permits
from httpprocessproxy.companions.archive.origins import Fetcher
from httpprocessproxy.companions.archive.service.queue import Queue
from httpprocessproxy.companions.archive.service.rules import ServiceRules
from httpprocessproxy.companions.archive.store.clients import Clients
from httpprocessproxy.companions.archive.store.tickets import Tickets

# The client to whom what is made without a secret belongs, where that is allowed.
NOBODY = ""


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """`is_owner`: whether a request may do what wants a client, without being one."""

    clients: Clients
    tickets: Tickets
    fetcher: Fetcher
    permits: Permits
    queue: Queue
    rules: ServiceRules
    is_owner: Callable[[web.Request], bool] = lambda request: False
