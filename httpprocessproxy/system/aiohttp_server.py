"""An aiohttp application on a socket that listens already."""

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

# aiohttp's own 8 KiB would refuse the cookies that a browser collects on localhost, where all
# ports share them, and signed URLs with all the headers that they want to be sent.
_MAX_FIELD_BYTES: Final = 64 * 1024


@contextlib.asynccontextmanager
async def hosted(
    application: web.Application,
    listener: socket.socket,
    *,
    shutdown_timeout_s: float,
    cancels_handlers: bool = False,
) -> AsyncIterator[None]:
    """Serve on `listener` while the context is open, and close it at the end.

    Requests under way then have `shutdown_timeout_s` seconds. `cancels_handlers`: nothing goes on
    for a client that has left. There is no access log.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        handler_cancellation=cancels_handlers,
        max_line_size=_MAX_FIELD_BYTES,
        max_field_size=_MAX_FIELD_BYTES,
        shutdown_timeout=shutdown_timeout_s,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
