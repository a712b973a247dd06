"""The claim of a ticket, the limit of downloads per client, and writes with a stall timeout."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from aiohttp import web

from httpprocessproxy.companions.archive.service.answers import ProblemError, not_found
from httpprocessproxy.companions.archive.service.context import ArchiveContext
from httpprocessproxy.companions.archive.store.tickets import Ticket

# A guess: the end of a running download cannot be predicted.
_RETRY_AFTER_S = 30


class StalledError(Exception):
    """The client has accepted no data within the stall timeout."""


@dataclass(frozen=True, slots=True)
class DownloadBody:
    """The body of a download; `stall_s` limits each write, in seconds."""

    response: web.StreamResponse
    stall_s: float

    async def write(self, data: bytes) -> None:
        """Send data with back-pressure. Raises StalledError."""
        try:
            async with asyncio.timeout(self.stall_s):
                await self.response.write(data)
        except TimeoutError:
            raise StalledError from None


@contextlib.asynccontextmanager
async def claimed(context: ArchiveContext, id_: str) -> AsyncIterator[Ticket]:
    """Claim a ticket for exactly one download, and count the download. Raises ProblemError."""
    ticket = await context.tickets.find(id_)
    if ticket is None:
        not_found()
    if not ticket.is_available:
        raise ProblemError(403, {"access": "You must wait untill download is available"})
    with counted(context, ticket.id, ticket.client):
        if not await context.tickets.claim(id_):
            not_found()
        yield ticket


def counted(context: ArchiveContext, id_: str, client: str) -> AbstractContextManager[None]:
    """Count a download of a client. Raises ProblemError (429) above the client's limit."""
    if context.queue.running(client) >= context.rules.downloads_per_client:
        retry = {"Retry-After": str(_RETRY_AFTER_S)}
        raise ProblemError(429, {"access": "Too many downloads at a time"}, retry)
    return context.queue.downloading(id_, client)
