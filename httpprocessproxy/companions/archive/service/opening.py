"""The assembly of a service: its migrated database, HTTP client, queue and application."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from httpprocessproxy.companions.archive.fetching import Fetching
from httpprocessproxy.companions.archive.service import answers
from httpprocessproxy.companions.archive.service.context import ArchiveContext, ServiceRules
from httpprocessproxy.companions.archive.service.downloading import Downloading
from httpprocessproxy.companions.archive.service.generating import Generating
from httpprocessproxy.companions.archive.service.queue import Queue
from httpprocessproxy.companions.archive.service.streaming import Streaming
from httpprocessproxy.companions.archive.service.waiting import Waiting
from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.clients import Clients
from httpprocessproxy.companions.archive.store.database import database_errors, opened
from httpprocessproxy.companions.archive.store.tickets import Tickets
from httpprocessproxy.companions.fetch_client import FetchOrigin, OriginGuard, Outgoing, SiteAddress

_PURGE_PERIOD_S: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The options of a service. `site` serves `/path`; `is_owner`: see `ArchiveContext`."""

    db_url: str
    rules: ServiceRules = field(default_factory=ServiceRules)
    allowed: Collection[FetchOrigin] = ()
    site: SiteAddress | None = None
    db_extras: Mapping[str, object] = field(default_factory=dict)
    is_owner: Callable[[web.Request], bool] = lambda request: False


@contextlib.asynccontextmanager
async def open_service(options: ServiceOptions) -> AsyncIterator[web.Application]:
    """An application that can be served while the context is open. Raises UserError."""
    rules = options.rules
    async with contextlib.AsyncExitStack() as exits:
        engine = await exits.enter_async_context(opened(options.db_url, options.db_extras))
        async with database_errors():
            await schema.upgrade(engine)
        outgoing = Outgoing(OriginGuard(options.allowed), site=options.site)
        await exits.enter_async_context(outgoing)
        tickets = Tickets(engine, rules.ticket_ttl_s)
        context = ArchiveContext(
            clients=Clients(engine),
            tickets=tickets,
            fetcher=Fetching(outgoing, rules.limits),
            permits=outgoing.permits,
            queue=Queue(rules.simultaneous, asyncio.get_running_loop().time),
            rules=rules,
            is_owner=options.is_owner,
        )
        tasks = await exits.enter_async_context(asyncio.TaskGroup())
        exits.callback(tasks.create_task(_purge(tickets), name="purge").cancel)
        yield _application(context)


def _application(context: ArchiveContext) -> web.Application:
    """The routes of a service, as an application that can be mounted under any prefix."""
    origins = context.rules.cors_origins
    app = web.Application(
        middlewares=[answers.error_responses], client_max_size=context.rules.max_json_bytes
    )
    app.on_response_prepare.append(answers.common_fields(origins))
    generating = Generating(context)
    preflight = answers.cross_origin(origins)
    for path, method, handler in (
        ("/ticket", "GET", generating.listing),
        ("/ticket/", "GET", generating.listing),
        ("/ticket/generate", "POST", generating.generate),
        ("/ticket/{id}/download", "GET", Downloading(context).download),
        ("/ticket/{id}/wait", "GET", Waiting(context).wait),
        ("/stream/url/{token}", "GET", Streaming(context).stream),
    ):
        resource = app.router.add_resource(path)
        # Without HEAD: aiohttp would run the handler of GET for it, and use up the ticket.
        resource.add_route(method, handler)
        if origins:
            resource.add_route("OPTIONS", preflight)
    return app


async def _purge(tickets: Tickets) -> None:
    """Delete used and expired tickets periodically."""
    while True:
        try:
            count = await tickets.purge()
        except SQLAlchemyError as error:
            _log.warning("cannot delete old tickets: %s", type(error).__name__)
        else:
            if count:
                _log.debug("%d old tickets deleted", count)
        await asyncio.sleep(_PURGE_PERIOD_S)
