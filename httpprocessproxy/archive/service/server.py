"""The service as a program of its own: where it listens, and how it ends."""

import contextlib
import logging
import os
import socket
from typing import Final

from httpprocessproxy.archive.service.opening import Purpose, opening
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.hosting import hosted
from httpprocessproxy.loops import signalled

_BACKLOG: Final = 1024
# What downloads that are under way have left when the program ends.
_DRAIN_S: Final = 5.0

_log = logging.getLogger(__name__)


async def run(purpose: Purpose, host: str, port: int) -> None:
    """Serve until a signal. Raises UserError."""
    async with contextlib.AsyncExitStack() as exits:
        stopped = signalled()
        application = await exits.enter_async_context(opening(purpose))
        listener = exits.enter_context(_listen(host, port))
        # Nothing is fetched for a client that has left. Access logs would have the ids of tickets.
        served = hosted(application, listener, shutdown_timeout_s=_DRAIN_S, cancels_handlers=True)
        await exits.enter_async_context(served)
        shown = f"[{host}]" if ":" in host else host
        _log.info("tickets on http://%s:%d/ticket/", shown, listener.getsockname()[1])
        await stopped
        _log.info("ends; downloads under way have %g s", _DRAIN_S)


def _listen(host: str, port: int) -> socket.socket:
    """Raises UserError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UserError(f"cannot listen on {host}:{port}: {reason}") from None
