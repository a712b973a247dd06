"""The service as a program: its listener, and a shutdown that drains downloads."""

import contextlib
import logging
import socket
from typing import Final

from httpprocessproxy.companions.archive.service.opening import ServiceOptions, open_service
from httpprocessproxy.config import Address
from httpprocessproxy.system.aiohttp_server import hosted
from httpprocessproxy.system.event_loop import signalled
from httpprocessproxy.system.sockets import cannot_listen, listen_on

# Running downloads may continue for this long after a signal.
_DRAIN_S: Final = 5.0

_log = logging.getLogger(__name__)


async def run(options: ServiceOptions, host: str, port: int) -> None:
    """Serve until a signal. Raises UserError."""
    async with contextlib.AsyncExitStack() as exits:
        stopped = signalled()
        application = await exits.enter_async_context(open_service(options))
        listener = exits.enter_context(_listen(host, port))
        # A handler is cancelled when its client disconnects, which stops its fetches. No access
        # log: it would contain the ids of tickets.
        served = hosted(application, listener, shutdown_timeout_s=_DRAIN_S, cancels_handlers=True)
        await exits.enter_async_context(served)
        _log.info("tickets on http://%s/ticket/", Address(host, listener.getsockname()[1]))
        await stopped
        _log.info("ends; downloads under way have %g s", _DRAIN_S)


def _listen(host: str, port: int) -> socket.socket:
    """Raises UserError."""
    try:
        return listen_on(host, port)
    except OSError as error:
        raise cannot_listen(Address(host, port), error) from None
