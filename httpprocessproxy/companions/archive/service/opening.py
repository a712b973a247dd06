"""A service put together: its database, brought up to date, and whom it may ask."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from httpprocessproxy.companions.archive.fetching import Fetching
from httpprocessproxy.companions.archive.service.application import application
from httpprocessproxy.companions.archive.service.context import ServiceContext, ServiceRules
from httpprocessproxy.companions.archive.service.queue import Queue
from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.clients import Clients
from httpprocessproxy.companions.archive.store.database import explaining, opened
from httpprocessproxy.companions.archive.store.tickets import Tickets
from httpprocessproxy.companions.fetch_client import FetchOrigin, OriginGuard, Outgoing, SiteAddress

_PURGE_PERIOD_S: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a service is for. `site` is what `/path` means; `is_owner` is of `ServiceContext`."""

    db_url: str
    rules: ServiceRules = field(default_factory=ServiceRules)
    allowed: Collection[FetchOrigin] = ()
    site: SiteAddress | None = None
    db_extras: Mapping[str, object] = field(default_factory=dict)
    is_owner: Callable[[web.Request], bool] = lambda request: False


@contextlib.asynccontextmanager
async def opening(purpose: Purpose) -> AsyncIterator[web.Application]:
    """An application that can be served while the context is open. Raises UserError."""
    rules = purpose.rules
    async with contextlib.AsyncExitStack() as exits:
        engine = await exits.enter_async_context(opened(purpose.db_url, purpose.db_extras))
        async with explaining():
            await schema.upgrade(engine)
        outgoing = Outgoing(OriginGuard(purpose.allowed), site=purpose.site)
        await exits.enter_async_context(outgoing)
        tickets = Tickets(engine, rules.ticket_ttl_s)
        around = ServiceContext(
            clients=Clients(engine),
            tickets=tickets,
            fetcher=Fetching(outgoing, rules.limits),
            permits=outgoing.permits,
            queue=Queue(rules.simultaneous, asyncio.get_running_loop().time),
            rules=rules,
            is_owner=purpose.is_owner,
        )
        tasks = await exits.enter_async_context(asyncio.TaskGroup())
        exits.callback(tasks.create_task(_purge(tickets), name="purge").cancel)
        yield application(around)


async def _purge(tickets: Tickets) -> None:
    """Forget tickets whose time is over, now and then."""
    while True:
        try:
            count = await tickets.purge()
        except SQLAlchemyError as error:
            _log.warning("old tickets stay for now: %s", type(error).__name__)
        else:
            if count:
                _log.debug("%d old tickets forgotten", count)
        await asyncio.sleep(_PURGE_PERIOD_S)
