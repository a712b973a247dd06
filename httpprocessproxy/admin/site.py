"""The admin pages as two aiohttp.web applications behind the proxy: the site's and the dashboard's.

The site's origin has the API below `/_hpp/`, for programs and pages; the dashboard has an origin of
its own, of which every path belongs to the proxy. Rules for all pages: `guard.py` decides who may
use them, no response is cached, and browsers do not sniff content types.
"""

import contextlib
import socket

from aiohttp import web

from httpprocessproxy.admin import answers
from httpprocessproxy.admin.assets import livereload_js
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.dashboard import Dashboard, file, redirect_to
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.admin.request_pages import RequestPages
from httpprocessproxy.admin.service_pages import ServicePages
from httpprocessproxy.admin.state_pages import StatePages
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.system.aiohttp_server import hosted

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
    site = application(hosts, context, replays, is_dashboard=is_dashboard)
    return hosted(site, listener, shutdown_timeout_s=0.5, cancels_handlers=True)


def application(
    hosts: HostRule, context: AdminContext, replays: Replayer, *, is_dashboard: bool
) -> web.Application:
    """Make the application of one of the two origins."""
    guard = AdminGuard(hosts, context.token if is_dashboard else None)
    run = context.bus.run

    @web.middleware
    async def guarded(request: web.Request, handler: answers.Handler) -> web.StreamResponse:
        refusal = guard.refusal(request)
        if refusal is None and request.headers.get(RUN_FIELD, run) != run:
            refusal = Problem(421, "Misdirected", "Another proxy listens here now.")
        if refusal is not None:
            return answers.page(request, refusal)
        return await answers.handle(request, handler)

    site = web.Application(middlewares=[guarded])
    site.on_response_prepare.append(_add_fields)
    StatePages(context, guard).add_to(site.router)
    ServicePages(context).add_to(site.router)
    RequestPages(replays, guard).add_to(site.router)
    if is_dashboard:
        Dashboard(context.token, context.places).add_to(site.router)
    else:
        site.router.add_get("/_hpp/", redirect_to(context.places))
        site.router.add_get("/_hpp/livereload.js", _livereload_js)
    return site


async def _add_fields(_: web.Request, response: web.StreamResponse) -> None:
    """Before the head is sent: a response that streams has no other time."""
    for name, value in _DEFAULTS.items():
        response.headers.setdefault(name, value)
    response.headers.update(_ALWAYS)


async def _livereload_js(request: web.Request) -> web.Response:
    return file(request, livereload_js(), "text/javascript")
