"""The download of a ticket, once: a ZIP of its items, or its only item unchanged."""

import logging
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive.items import STREAM
from httpprocessproxy.companions.archive.packing import BrokenError, Options, Packed, pack
from httpprocessproxy.companions.archive.service.answers import attachment, cut
from httpprocessproxy.companions.archive.service.claiming import DownloadBody, StalledError, claimed
from httpprocessproxy.companions.archive.service.context import ArchiveContext
from httpprocessproxy.companions.archive.service.streaming import StreamedItem, stream_item
from httpprocessproxy.companions.archive.store.tickets import Ticket
from httpprocessproxy.core.lines import printable

_FILENAME: Final = "collection.zip"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Downloading:
    """The handler of `/ticket/ID/download`."""

    context: ArchiveContext

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Send the archive or the item of a ticket to the first request for it."""
        async with claimed(self.context, request.match_info["id"]) as ticket:
            if ticket.order.type == STREAM:
                streamed = StreamedItem(ticket.order.items[0])
                return await stream_item(request, self.context, streamed)
            return await self._zip(request, ticket)

    async def _zip(self, request: web.Request, ticket: Ticket) -> web.StreamResponse:
        order, rules = ticket.order, self.context.rules
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
            packed = await pack(order.items, self.context.fetcher, body.write, options)
        except BrokenError as error:
            _log.info("archive of %s cut: %s", _client_name(ticket), printable(str(error)))
            cut(request)
        except StalledError:
            _log.info("archive of %s cut: the client stopped reading", _client_name(ticket))
            cut(request)
        else:
            await response.write_eof()
            _log_result(ticket, packed)
        return response


def _log_result(ticket: Ticket, packed: Packed) -> None:
    """Log the number of items, but no URLs: they may be secret."""
    members, items = packed.members, len(ticket.order.items)
    _log.info("archive of %s: %d of %d items", _client_name(ticket), members, items)


def _client_name(ticket: Ticket) -> str:
    return ascii(ticket.client) if ticket.client else "the developer"
