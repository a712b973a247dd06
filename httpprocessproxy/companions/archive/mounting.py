"""The archive's service as pages of the proxy's own.

The rule: who may restart the server may make tickets, by the same guard; a client may, by its
secret. No page of another site may read answers. The environment has no say: its DB_URL is that of
the site which is being written.
"""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web

from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.companions.archive.configuration import settings
from httpprocessproxy.companions.archive.mount_options import PREFIX, MountOptions
from httpprocessproxy.companions.archive.service.opening import Purpose, opening
from httpprocessproxy.system.aiohttp_server import hosted


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, options: MountOptions) -> AsyncIterator[None]:
    """Serve on a listening socket while the context is open. Raises UserError."""
    async with opening(_purpose(options)) as service:
        pages = web.Application()
        pages.add_subapp(PREFIX, service)
        async with hosted(pages, listener, shutdown_timeout_s=0.1, cancels_handlers=True):
            yield


def _purpose(options: MountOptions) -> Purpose:
    """What the service is for. Raises UserError."""
    file, guard = options.wish.file, AdminGuard(options.hosts, options.token)

    def is_owner(request: web.Request) -> bool:
        refusal = guard.refusal(request) or guard.refusal_without_token(request)
        return refusal is None

    told = settings({"CONFIG": str(file)} if file is not None else {}, {})
    purpose = told.purpose if told.db_url else replace(told, db_url=options.db_url).purpose
    rules = purpose.rules
    strict = rules.strict or options.wish.strict
    # An answer of the site may be as late again as that of other origins.
    limits = replace(rules.limits, idle_s=options.held_s + rules.limits.idle_s)
    return replace(
        purpose,
        rules=replace(rules, cors_origins=(), strict=strict, limits=limits),
        allowed=(*purpose.allowed, *options.allowed),
        site=options.site,
        is_owner=is_owner,
    )
