"""Pays out a ticket, once: as a ZIP of its items, or as its only item itself."""

import logging
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive.items import STREAM
from httpprocessproxy.companions.archive.packing import BrokenError, Options, Packed, pack
from httpprocessproxy.companions.archive.service.answers import cut
from httpprocessproxy.companions.archive.service.claiming import DownloadBody, StalledError, claimed
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.service.disposition import attachment
from httpprocessproxy.companions.archive.service.streaming import Passage, pass_on
from httpprocessproxy.companions.archive.store.tickets import Ticket
from httpprocessproxy.core.lines import printable

_FILENAME: Final = "collection.zip"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Downloading:
    """The handler of `/ticket/ID/download`."""

    around: ServiceContext

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Whoever is first gets it."""
        async with claimed(self.around, request.match_info["id"]) as ticket:
            if ticket.order.type == STREAM:
                return await pass_on(request, self.around, Passage(ticket.order.items[0]))
            return await self._zip(request, ticket)

    async def _zip(self, request: web.Request, ticket: Ticket) -> web.StreamResponse:
        order, rules = ticket.order, self.around.rules
        response = web.StreamResponse(
            headers={
                "Content-Disposition": attachment(order.filename, _FILENAME),
                "Content-Type": "application/zip",
            }
        )
        await response.prepare(request)
        options = Options(strict=rules.strict if order.strict is None else order.strict)
        body = DownloadBody(response, rules.stall_s)
        try:
            packed = await pack(order.items, self.around.fetcher, body.write, options)
        except BrokenError as error:
            _log.info("archive of %s cut: %s", _whose(ticket), printable(str(error)))
            cut(request)
        except StalledError:
            _log.info("archive of %s cut: nobody reads it", _whose(ticket))
            cut(request)
        else:
            await response.write_eof()
            _tell(ticket, packed)
        return response


def _tell(ticket: Ticket, packed: Packed) -> None:
    """A line of the log. Of URLs, it has none: they may be secrets."""
    members, items = packed.members, len(ticket.order.items)
    _log.info("archive of %s: %d of %d items", _whose(ticket), members, items)


def _whose(ticket: Ticket) -> str:
    return ascii(ticket.client) if ticket.client else "the developer"
