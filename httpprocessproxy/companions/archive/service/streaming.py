"""Passes on one URL as it is, without an archive around it.

The rule: the status is told after the origin's is known, and what is cut short is seen to be so.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive import names
from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed
from httpprocessproxy.companions.archive.service.answers import ProblemError, cut
from httpprocessproxy.companions.archive.service.claiming import DownloadBody, StalledError, counted
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.service.disposition import attachment
from httpprocessproxy.companions.archive.service.signing import UnsignedError, read_token

_FALLBACK_NAME: Final = "download"
_FALLBACK_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Passage:
    """An item, and what is said of it in place of what its origin says."""

    item: Item
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Streaming:
    """The handler of `/stream/url/TOKEN`."""

    around: ServiceContext

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Pass on what a client has signed for."""
        name = request.query.get("client")
        if name is None:
            raise ProblemError(422, {"query": {"client": ["Missing data for required field."]}})
        key = await self.around.clients.signing_key(name)
        if key is None:
            raise ProblemError(404, {"client": "Client not found"})
        try:
            token = request.match_info["token"]
            signed = await asyncio.to_thread(
                read_token, token, key, self.around.rules.jwt_algorithm, self.around.permits
            )
        except UnsignedError as error:
            raise ProblemError(422, {"url": {"url": str(error)}}) from None
        with counted(self.around, "", name):
            passage = Passage(signed.item, signed.content_type, signed.headers)
            return await pass_on(request, self.around, passage)


async def pass_on(
    request: web.Request, around: ServiceContext, passage: Passage
) -> web.StreamResponse:
    """Fetch, and answer with what comes. Raises ProblemError as long as nothing has."""
    async with around.fetcher.fetch((passage.item,)) as answers:
        answer = await anext(answers)
        if isinstance(answer, Missed):
            raise ProblemError(502, {"url": answer.reason})
        if answer.status != 200:
            raise ProblemError(502, {"url": f"It answered {answer.status}."})
        response = _response(answer, passage)
        await response.prepare(request)
        body = DownloadBody(response, around.rules.stall_s)
        try:
            async for piece in answer.body:
                await body.write(piece)
        except (ItemFailedError, StalledError):
            cut(request)
        else:
            await response.write_eof()
        return response


def _response(answer: Fetched, passage: Passage) -> web.StreamResponse:
    filename = names.wished(passage.item).rpartition("/")[2]
    headers = {
        "Content-Disposition": attachment(filename, _FALLBACK_NAME),
        # Mounted in a site, it must not become a page of that site.
        "Content-Security-Policy": "sandbox",
        "Content-Type": passage.content_type or answer.content_type or _FALLBACK_TYPE,
    }
    replaced = {name.lower() for name in passage.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in replaced}
    response = web.StreamResponse(headers={**kept, **passage.headers})
    response.content_length = answer.size
    return response
