"""The service as a program of its own: where it listens, and how it ends."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from httpprocessproxy.archive.service.opening import Purpose, opening
from httpprocessproxy.core.errors import UserError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 1024
# What downloads that are under way have left when the program ends.
_DRAIN_S: Final = 5.0
# A signed URL is in the path, with all the headers it wants to be sent.
_MAX_LINE_BYTES: Final = 64 * 1024

_log = logging.getLogger(__name__)


async def run(purpose: Purpose, host: str, port: int) -> None:
    """Serve until a signal. Raises UserError."""
    async with contextlib.AsyncExitStack() as exits:
        stopped = _signalled()
        application = await exits.enter_async_context(opening(purpose))
        listener = exits.enter_context(_listen(host, port))
        await exits.enter_async_context(_serving(application, listener))
        shown = f"[{host}]" if ":" in host else host
        _log.info("tickets on http://%s:%d/ticket/", shown, listener.getsockname()[1])
        await stopped.wait()
        _log.info("ends; downloads under way have %g s", _DRAIN_S)


def _signalled() -> asyncio.Event:
    """Set by the first signal. The second ends the program by its default."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        stopped.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


@contextlib.asynccontextmanager
async def _serving(application: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(
        application,
        access_log=None,  # its lines would have the ids of tickets
        handler_cancellation=True,  # nothing is fetched for a client that has left
        max_line_size=_MAX_LINE_BYTES,
        shutdown_timeout=_DRAIN_S,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    """Raises UserError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UserError(f"cannot listen on {host}:{port}: {reason}") from None
