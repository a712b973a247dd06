"""The archive service mounted under the proxy's own pages.

The rule: every client that may restart the server may also create tickets, checked by the same
guard; other clients need a secret. Pages of other sites cannot read responses. Environment
variables are ignored: their DB_URL is that of the site under development.
"""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web

from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.companions.archive.configuration import settings
from httpprocessproxy.companions.archive.mount_options import PREFIX, MountOptions
from httpprocessproxy.companions.archive.service.opening import ServiceOptions, open_service
from httpprocessproxy.system.aiohttp_server import hosted


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, options: MountOptions) -> AsyncIterator[None]:
    """Serve on a listening socket while the context is open. Raises UserError."""
    async with open_service(_service_options(options)) as service:
        pages = web.Application()
        pages.add_subapp(PREFIX, service)
        async with hosted(pages, listener, shutdown_timeout_s=0.1, cancels_handlers=True):
            yield


def _service_options(options: MountOptions) -> ServiceOptions:
    """The options of the mounted service. Raises UserError."""
    file, guard = options.archive.file, AdminGuard(options.hosts, options.token)

    def is_owner(request: web.Request) -> bool:
        refusal = guard.refusal(request) or guard.refusal_without_token(request)
        return refusal is None

    configured = settings({"config": str(file)} if file is not None else {}, {})
    if not configured.db_url:
        configured = replace(configured, db_url=options.db_url)
    service = configured.service_options
    rules = service.rules
    strict = rules.strict or options.archive.strict
    # The proxy may hold a request of the site before the site's own time to respond begins.
    limits = replace(rules.limits, idle_s=options.held_s + rules.limits.idle_s)
    return replace(
        service,
        rules=replace(rules, cors_origins=(), strict=strict, limits=limits),
        allowed=(*service.allowed, *options.allowed),
        site=options.site,
        is_owner=is_owner,
    )
