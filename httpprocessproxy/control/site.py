"""Our own pages under `/_hpp/`, an aiohttp.web application behind the proxy.

The rule: only pages of the proxy itself may use it. Nothing sends CORS headers, other sites can
neither embed what it answers nor change anything (Fetch Metadata, Origin), nothing is cached.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from httpprocessproxy.control.assets import livereload_js
from httpprocessproxy.core.hosts import HostRule
from httpprocessproxy.core.pages import CONTENT_SECURITY_POLICY, Problem, render

Status = Callable[[], Mapping[str, object]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.decode(),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "http-process-proxy",
    "X-Content-Type-Options": "nosniff",
}

# The data plane limits heads. aiohttp's own 8 KiB would refuse the cookies that a browser
# collects on localhost, where all ports share them.
_MAX_FIELD_BYTES = 64 * 1024


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, hosts: HostRule, status: Status) -> AsyncIterator[None]:
    """Serve on a listening socket, and close it at the end."""
    runner = web.AppRunner(
        application(hosts, status),
        access_log=None,
        max_line_size=_MAX_FIELD_BYTES,
        max_field_size=_MAX_FIELD_BYTES,
        shutdown_timeout=0.5,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


def application(hosts: HostRule, status: Status) -> web.Application:
    """Make the application; `status` returns what `/_hpp/status` tells."""

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        refusal = _refusal(request, hosts)
        response = _page(request, refusal) if refusal else await _handle(request, handler)
        response.headers.update(_HEADERS)
        return response

    async def get_status(_: web.Request) -> web.Response:
        return web.json_response(status())

    async def get_script(_: web.Request) -> web.Response:
        return web.Response(
            body=livereload_js().body, content_type="text/javascript", charset="utf-8"
        )

    site = web.Application(middlewares=[guard])
    site.router.add_get("/_hpp/status", get_status)
    site.router.add_get("/_hpp/livereload.js", get_script)
    return site


def _refusal(request: web.Request, hosts: HostRule) -> Problem | None:
    fetch_site = request.headers.get("Sec-Fetch-Site", "none")
    embeds = request.headers.get("Sec-Fetch-Mode") == "no-cors"
    if embeds and fetch_site in ("cross-site", "same-site"):
        return Problem(403, "Another site asks", "Only pages of this server may embed this.")
    if request.method in _SAFE_METHODS:
        return None
    if not hosts.allows_origin(request.headers.get("Origin"), request.headers.get("Host", "")):
        return Problem(403, "Another site asks", "Only pages of this server may change anything.")
    return None


async def _handle(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Let the handler answer; what it raises becomes a page."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        response = _page(request, Problem(error.status, HTTPStatus(error.status).phrase, ""))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def _page(request: web.Request, problem: Problem) -> web.Response:
    page = render(problem, request.headers.get("Accept", "").encode("latin-1", "replace"), False)
    return web.Response(
        status=problem.status,
        body=page.body,
        headers={"Content-Type": page.content_type.decode()},
    )
