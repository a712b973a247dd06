"""An aiohttp application on an open listening socket."""

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

# aiohttp's default of 8 KiB is too small for the cookies that a browser collects on localhost,
# where all ports share them, and for signed URLs with their header fields.
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

    At the end, requests in flight have `shutdown_timeout_s` seconds to finish.
    `cancels_handlers`: a handler is cancelled when its client disconnects. Requests are not logged.
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
