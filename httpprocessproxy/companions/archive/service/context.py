"""The context of a service's handlers: its rules, and the objects that they share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from httpprocessproxy.companions.archive.fetching import Limits
from httpprocessproxy.companions.archive.items import Permits
from httpprocessproxy.companions.archive.origins import Fetcher
from httpprocessproxy.companions.archive.service.queue import Queue
from httpprocessproxy.companions.archive.store.clients import Clients
from httpprocessproxy.companions.archive.store.tickets import Tickets


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """The limits of tickets and downloads. Times are in seconds, sizes in bytes."""

    # Whether tickets can be downloaded at once; otherwise at most `simultaneous` downloads run.
    no_queue: bool = True
    simultaneous: int = 2
    wait_s: float = 3600.0
    # An unused ticket expires after this time.
    ticket_ttl_s: float = 3600.0
    max_items: int = 10_000
    max_json_bytes: int = 8 * 1024 * 1024
    downloads_per_client: int = 16
    # A download whose reader accepts no byte for this time is cut.
    stall_s: float = 300.0
    # Whether an archive that lacks an item is cut; a ticket's own option takes precedence.
    strict: bool = False
    jwt_algorithm: str = "HS256"
    # Origins whose pages may read responses; "*" is any.
    cors_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class ArchiveContext:
    """The objects of a service. `is_owner`: whether a request needs no client's secret."""

    clients: Clients
    tickets: Tickets
    fetcher: Fetcher
    permits: Permits
    queue: Queue
    rules: ServiceRules
    is_owner: Callable[[web.Request], bool] = lambda request: False
