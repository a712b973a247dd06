"""Forwards the response of one URL, without an archive.

The rule: the response begins only after the origin's status is known, and a truncated body aborts
the connection, so that the client detects it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive import names
from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed
from httpprocessproxy.companions.archive.service.answers import ProblemError, attachment, cut
from httpprocessproxy.companions.archive.service.claiming import DownloadBody, StalledError, counted
from httpprocessproxy.companions.archive.service.context import ArchiveContext
from httpprocessproxy.companions.archive.service.signing import InvalidTokenError, read_token

_FALLBACK_NAME: Final = "download"
_FALLBACK_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class StreamedItem:
    """An item, and response fields that override those of its origin."""

    item: Item
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Streaming:
    """The handler of `/stream/url/TOKEN`."""

    context: ArchiveContext

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Forward the URL of a signed token."""
        name = request.query.get("client")
        if name is None:
            raise ProblemError(422, {"query": {"client": ["Missing data for required field."]}})
        key = await self.context.clients.signing_key(name)
        if key is None:
            raise ProblemError(404, {"client": "Client not found"})
        try:
            token = request.match_info["token"]
            signed = await asyncio.to_thread(
                read_token, token, key, self.context.rules.jwt_algorithm, self.context.permits
            )
        except InvalidTokenError as error:
            raise ProblemError(422, {"url": {"url": str(error)}}) from None
        with counted(self.context, "", name):
            streamed = StreamedItem(signed.item, signed.content_type, signed.headers)
            return await stream_item(request, self.context, streamed)


async def stream_item(
    request: web.Request, context: ArchiveContext, streamed: StreamedItem
) -> web.StreamResponse:
    """Fetch an item and forward its response. Raises ProblemError before the response begins."""
    async with context.fetcher.fetch((streamed.item,)) as answers:
        answer = await anext(answers)
        if isinstance(answer, Missed):
            raise ProblemError(502, {"url": answer.reason})
        if answer.status != 200:
            raise ProblemError(502, {"url": f"It answered {answer.status}."})
        response = _response(answer, streamed)
        await response.prepare(request)
        body = DownloadBody(response, context.rules.stall_s)
        try:
            async for piece in answer.body:
                await body.write(piece)
        except (ItemFailedError, StalledError):
            cut(request)
        else:
            await response.write_eof()
        return response


def _response(answer: Fetched, streamed: StreamedItem) -> web.StreamResponse:
    filename = names.member_path(streamed.item).rpartition("/")[2]
    headers = {
        "Content-Disposition": attachment(filename, _FALLBACK_NAME),
        # Mounted under a site's origin, the content must not run as a page of that site.
        "Content-Security-Policy": "sandbox",
        "Content-Type": streamed.content_type or answer.content_type or _FALLBACK_TYPE,
    }
    replaced = {name.lower() for name in streamed.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced}
    response = web.StreamResponse(headers={**headers, **streamed.headers})
    response.content_length = answer.size
    return response
