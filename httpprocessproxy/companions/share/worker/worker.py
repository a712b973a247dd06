"""The worker: streams if the relay supports it, polls otherwise, and reconnects."""

import asyncio
from collections.abc import Callable

from httpprocessproxy.companions.share.stream.link import LinkLostError
from httpprocessproxy.companions.share.stream.worker_end import NoStreamError, stream
from httpprocessproxy.companions.share.worker.interfaces import Site
from httpprocessproxy.companions.share.worker.polling import poll
from httpprocessproxy.companions.share.worker.relay_status import FIRST_S, Backoff, RelayStatus
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    WorkerSettings,
)
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.system.faults import contained


async def work(
    settings: WorkerSettings, new_site: Callable[[asyncio.TaskGroup], Site], reporter: Reporter
) -> None:
    """Fetch and handle visits until cancelled. Raises ShareRefusedError.

    `new_site` makes the site, whose tasks belong to the group that it gets.
    """
    relay_status = RelayStatus(str(settings.relay.host), reporter)
    error: ShareRefusedError | None = None
    async with asyncio.TaskGroup() as tasks:
        site = new_site(tasks)
        handler = VisitHandler(settings, site, reporter)
        try:
            if settings.transport == "auto":
                await _stream_on(settings, handler, relay_status)
            await poll(settings, handler, relay_status)
        except ShareRefusedError as refusal:
            error = refusal
        finally:
            site.close()
    assert error is not None, "only a refusal ends polling"
    raise error


async def _stream_on(
    settings: WorkerSettings, handler: VisitHandler, relay_status: RelayStatus
) -> None:
    """Stream over one link after another, until the relay refuses the transport."""
    loop, backoff = asyncio.get_running_loop(), Backoff()
    while True:
        began = loop.time()
        try:
            with contained("the link to the relay", LinkLostError, NoStreamError):
                await stream(settings, handler, relay_status)
        except NoStreamError:
            return
        except LinkLostError as error:
            relay_status.lost(str(error))
        if loop.time() - began > FIRST_S:
            backoff.succeeded()
        await asyncio.sleep(backoff.failed())
