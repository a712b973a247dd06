"""The creation and listing of tickets."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive.items import InvalidError, Order, load_json, read_order
from httpprocessproxy.companions.archive.service.answers import ProblemError
from httpprocessproxy.companions.archive.service.context import ArchiveContext

PAGE_SIZE: Final = 10

_SECRET_FIELDS: Final = ("X-Fpx-Authorize", "Authorization", "Authorize")
_BEARER: Final = "bearer "

# The client of tickets that are created without a secret (`ArchiveContext.is_owner`).
_OWNER: Final = ""

# PostgreSQL's OFFSET has 64 bits; no database has more pages than this.
_MAX_PAGE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Generating:
    """The handlers of `/ticket/` and `/ticket/generate`."""

    context: ArchiveContext

    async def generate(self, request: web.Request) -> web.Response:
        """Create a ticket from a client's JSON."""
        client = await _client_of(request, self.context)
        body, is_json = await request.read(), request.content_type == "application/json"
        try:
            # In a thread: the largest body takes some tenths of a second.
            order = await asyncio.to_thread(self._order, body, is_json)
        except InvalidError as error:
            raise ProblemError(422, {"json": error.messages}) from None
        ticket = await self.context.tickets.add(order, client, self.context.rules.no_queue)
        created = ticket.created.isoformat()
        return web.json_response({"created": created, "type": order.type, "id": ticket.id})

    def _order(self, body: bytes, is_json: bool) -> Order:
        """The validated ticket. Raises InvalidError and ProblemError."""
        value = _json(body, is_json)
        return read_order(value, self.context.permits, self.context.rules.max_items)

    async def listing(self, request: web.Request) -> web.Response:
        """List type and creation time of tickets, but not their ids: an id permits a download."""
        await _client_of(request, self.context)
        number = _page(request.query.get("page", "1"))
        count, found = await self.context.tickets.page(number, PAGE_SIZE)
        tickets = [{"created": created.isoformat(), "type": kind} for kind, created in found]
        return web.json_response({"page": number, "count": count, "tickets": tickets})


async def _client_of(request: web.Request, context: ArchiveContext) -> str:
    """The client that sends a request. Raises ProblemError without a valid secret."""
    secret = _secret_of(request.headers)
    name = await context.clients.by_secret(secret) if secret else None
    if name is not None:
        return name
    if context.is_owner(request):
        return _OWNER
    raise ProblemError(401, {"access": "Only clients authorized to use this endpoint"})


def _secret_of(headers: Mapping[str, str]) -> str:
    """The secret in a request, plain or as a bearer token (RFC 6750); empty without one."""
    value = next((headers[name] for name in _SECRET_FIELDS if headers.get(name)), "").strip()
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else value


def _json(body: bytes, is_json: bool) -> object:
    """The parsed body; {} unless its type is JSON or it looks like an object.

    Raises ProblemError.
    """
    body = body.strip()
    if not body or not (is_json or body.startswith(b"{")):
        return {}
    try:
        return load_json(body)
    except ValueError:
        raise ProblemError(400, {"json": ["Invalid JSON body."]}) from None


def _page(text: str) -> int:
    try:
        number = int(text) if len(text) <= len(str(_MAX_PAGE)) else _MAX_PAGE
    except ValueError:
        raise _wrong_page("Not a valid integer.") from None
    if number < 1:
        raise _wrong_page("Must be greater than or equal to 1.")
    return min(number, _MAX_PAGE)


def _wrong_page(message: str) -> ProblemError:
    return ProblemError(422, {"query": {"page": [message]}})
