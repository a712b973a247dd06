"""The service as a program of its own: where it listens, and how it ends."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from typing import Final

from httpprocessproxy.archive.service.opening import Purpose, opening
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.hosting import hosted

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 1024
# What downloads that are under way have left when the program ends.
_DRAIN_S: Final = 5.0

_log = logging.getLogger(__name__)


async def run(purpose: Purpose, host: str, port: int) -> None:
    """Serve until a signal. Raises UserError."""
    async with contextlib.AsyncExitStack() as exits:
        stopped = _signalled()
        application = await exits.enter_async_context(opening(purpose))
        listener = exits.enter_context(_listen(host, port))
        # Nothing is fetched for a client that has left. Access logs would have the ids of tickets.
        served = hosted(application, listener, shutdown_timeout_s=_DRAIN_S, cancels_handlers=True)
        await exits.enter_async_context(served)
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


def _listen(host: str, port: int) -> socket.socket:
    """Raises UserError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UserError(f"cannot listen on {host}:{port}: {reason}") from None
