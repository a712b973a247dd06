"""How a download begins and ends, whatever is in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from aiohttp import web

from httpprocessproxy.companions.archive.service.answers import ProblemError, not_found
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.store.tickets import Ticket

# When there is no telling when a download will end.
_RETRY_AFTER_S = 30


class StalledError(Exception):
    """A reader who takes nothing any more."""


@dataclass(frozen=True, slots=True)
class DownloadBody:
    """What a reader gets, at his pace, but not at any."""

    response: web.StreamResponse
    stall_s: float

    async def write(self, data: bytes) -> None:
        """Send. Raises StalledError."""
        try:
            async with asyncio.timeout(self.stall_s):
                await self.response.write(data)
        except TimeoutError:
            raise StalledError from None


@contextlib.asynccontextmanager
async def claimed(around: ServiceContext, id_: str) -> AsyncIterator[Ticket]:
    """A ticket that nobody else has, counted as a download. Raises ProblemError."""
    ticket = await around.tickets.find(id_)
    if ticket is None:
        not_found()
    if not ticket.is_available:
        raise ProblemError(403, {"access": "You must wait untill download is available"})
    with counted(around, ticket.id, ticket.client):
        if not await around.tickets.claim(id_):
            not_found()
        yield ticket


def counted(around: ServiceContext, id_: str, client: str) -> AbstractContextManager[None]:
    """A download of a client, who may have so many at a time. Raises ProblemError."""
    if around.queue.running(client) >= around.rules.downloads_per_client:
        retry = {"Retry-After": str(_RETRY_AFTER_S)}
        raise ProblemError(429, {"access": "Too many downloads at a time"}, retry)
    return around.queue.downloading(id_, client)
