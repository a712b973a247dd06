"""The HTTP server of the relay: routes requests by method, path and Host.

Workers call on any host; all other requests to a host of the tokens' file are visits; the relay's
own pages are on its own host alone, so that visitors of other hosts cannot reach them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.relay.polls import Polls
from httpprocessproxy.companions.share.relay.problems import SERVER, page
from httpprocessproxy.companions.share.relay.reading import host_of, target_of
from httpprocessproxy.companions.share.relay.request_lines import POISON, RequestLines
from httpprocessproxy.companions.share.relay.tokens import Tokens
from httpprocessproxy.companions.share.relay.visitors import Visitors
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import parse_authority
from httpprocessproxy.core.http.ip import parsed_ip
from httpprocessproxy.core.page.pages import Problem

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# Handles the handshake of a worker that streams over one link instead of polling.
Link = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]

# A field of a worker's call contains a whole head; aiohttp refuses longer lines before their end.
MAX_LINE_BYTES = protocol.MAX_ANSWER_FIELDS_BYTES

_UNKNOWN = Problem(404, "No such host", "There is no server by this name here.")


@dataclass(frozen=True, slots=True)
class Routes:
    """The handlers of the routes."""

    visitors: Visitors
    polls: Polls
    link: Link
    site: Handler


class Router:
    """Dispatches each request to the handler of its route."""

    def __init__(self, domain: str, tokens: Tokens, routes: Routes) -> None:
        self._domain = domain
        self._tokens = tokens
        self._routes = routes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Dispatch a request, and return the response."""
        path = target_of(request).partition("?")[0]
        if protocol.is_worker_call(request.method, path, request.headers):
            return await self._worker(request)
        try:
            host = parse_authority(host_of(request))[0].removesuffix(".")
        except RequestError as error:
            return page(request, Problem(error.status, "No such host", f"{error}."))
        if self._tokens.knows(host):
            return await self._routes.visitors.handle(request, host)
        if self._is_own(host):
            return await self._routes.site(request)
        return page(request, _UNKNOWN)

    async def _worker(self, request: web.BaseRequest) -> web.StreamResponse:
        is_link = _is_link(request)
        if not is_link and request.method != "POST":
            return _refusal(405, "Method Not Allowed", {"Allow": "POST"})
        name, token = request.headers.get(protocol.HOST, ""), request.headers.get(protocol.TOKEN)
        host = self._tokens.full_name(name)
        # The same response to each wrong pair does not reveal whether the name exists.
        if not name or not token or not self._tokens.fits(host, token):
            return _refusal(403, "Forbidden", {})
        if is_link:
            return await self._routes.link(request, host)
        return await self._routes.polls.handle(request, host)

    def _is_own(self, host: str) -> bool:
        """Whether a host is the relay itself: its domain, or an IP address for health checks."""
        return host in (self._domain, "localhost") or parsed_ip(host) is not None


class RelayServer(web.Server):
    """aiohttp's server, with the relay's own error pages for malformed heads."""

    def __call__(self) -> web.RequestHandler:
        return _RelayConnection(
            self,
            loop=self._loop,
            auto_decompress=False,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
        )


class _RelayConnection(web.RequestHandler):
    # aiohttp declares slots: an additional attribute needs its own.
    __slots__ = ("_lines",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._lines = RequestLines()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        was_refused = self._lines.refusal is not None
        if self._payload_parser is not None or was_refused:
            super().data_received(data)  # a WebSocket or a tunnel has no request lines
            return
        super().data_received(self._lines.feed(data))
        if self._lines.refusal is not None:
            super().data_received(POISON)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed head; errors of the relay itself are logged by aiohttp."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        response = page(request, self._malformed(status, exc))
        response.force_close()
        return response

    def _malformed(self, status: int, error: BaseException | None) -> Problem:
        if self._lines.refusal is not None:
            return Problem(self._lines.refusal.status, "Malformed", f"{self._lines.refusal}.")
        if isinstance(error, LineTooLong):
            return Problem(431, "Too long", "A line of the request's head is too long.")
        return Problem(status, "Malformed", "This is not a valid HTTP/1.1 request.")


def _is_link(request: web.BaseRequest) -> bool:
    return (
        request.method == "GET"
        and request.headers.get(protocol.TRANSPORT) == protocol.STREAM
        and request.headers.get("Upgrade", "").lower() == "websocket"
    )


def _refusal(status: int, text: str, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, text=text, headers={**headers, "Server": SERVER})
