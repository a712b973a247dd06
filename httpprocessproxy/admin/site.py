"""The admin pages as two sites behind the proxy: the site's own and the dashboard's.

The site's origin has the API below `/_hpp/`, for programs and pages; the dashboard has an origin of
its own, of which every path belongs to the proxy. Rules for all pages: `guard.py` decides who may
use them, no response is cached, and browsers do not sniff content types.
"""

import contextlib
import socket
from dataclasses import replace
from http import HTTPStatus

from httpprocessproxy.admin.answers import handle, page
from httpprocessproxy.admin.assets import livereload_js
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.dashboard import Dashboard, file, redirect_to
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.admin.page_table import PageTable
from httpprocessproxy.admin.request_pages import RequestPages
from httpprocessproxy.admin.service_pages import ServicePages
from httpprocessproxy.admin.state_pages import StatePages
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.system.page_server import PageRequest, PageResponse, serving_pages

# The run of the proxy that a request is for: the port may be another proxy's by now.
RUN_FIELD = "Hpp-Run"

_DEFAULTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.decode(),
}
_ALWAYS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "http-process-proxy",
    "X-Content-Type-Options": "nosniff",
}


def serving(
    listener: socket.socket,
    hosts: HostRule,
    context: AdminContext,
    replays: Replayer,
    *,
    is_dashboard: bool,
) -> contextlib.AbstractAsyncContextManager[None]:
    """Serve on a listening socket, and close it at the end."""
    # Clients that wait for a state are gone by then: the data plane has closed their connections.
    guard = AdminGuard(hosts, context.token if is_dashboard else None)
    site = AdminSite(
        guard, context.bus.run, _pages(guard, context, replays, is_dashboard=is_dashboard)
    )
    return serving_pages(listener, site.respond, drain_s=0.5)


def _pages(
    guard: AdminGuard, context: AdminContext, replays: Replayer, *, is_dashboard: bool
) -> PageTable:
    """Make the pages of one of the two origins."""
    pages = PageTable()
    StatePages(context, guard).add_to(pages)
    ServicePages(context).add_to(pages)
    RequestPages(replays, guard).add_to(pages)
    if is_dashboard:
        Dashboard(context.token, context.places).add_to(pages)
    else:
        pages.add_get("/_hpp/", redirect_to(context.places))
        pages.add_get("/_hpp/livereload.js", _livereload_js)
    return pages


class AdminSite:
    """One of the two origins: its pages, and the rules for all of them."""

    def __init__(self, guard: AdminGuard, run: str, pages: PageTable) -> None:
        self._guard = guard
        self._run = run
        self._pages = pages

    async def respond(self, request: PageRequest) -> PageResponse:
        response = await self._response(request)
        response.fields = {**_DEFAULTS, **response.fields, **_ALWAYS}
        return response

    async def _response(self, request: PageRequest) -> PageResponse:
        refusal = self._guard.refusal(request)
        if refusal is None and request.get(RUN_FIELD, self._run) != self._run:
            refusal = Problem(421, "Misdirected", "Another proxy listens here now.")
        if refusal is not None:
            return page(request, refusal)
        handlers, named = self._pages.find(request.path)
        if request.method in handlers:
            return await handle(replace(request, named=named), handlers[request.method])
        status = HTTPStatus.METHOD_NOT_ALLOWED if handlers else HTTPStatus.NOT_FOUND
        response = page(request, Problem(status, status.phrase, ""))
        if handlers:
            response.fields["Allow"] = ",".join(sorted(handlers))
        return response


async def _livereload_js(request: PageRequest) -> PageResponse:
    return file(request, livereload_js(), "javascript")
