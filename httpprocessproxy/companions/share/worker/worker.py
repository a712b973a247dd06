"""The worker: streams if the relay supports it, polls otherwise, and reconnects."""

import asyncio

from httpprocessproxy.companions.share.stream.link import LinkLostError
from httpprocessproxy.companions.share.stream.worker_end import NoStreamError, stream
from httpprocessproxy.companions.share.worker.connections import Target
from httpprocessproxy.companions.share.worker.polling import poll
from httpprocessproxy.companions.share.worker.relay_status import FIRST_S, Backoff, RelayStatus
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    WorkerSettings,
)
from httpprocessproxy.companions.share.worker.visit_handler import VisitHandler
from httpprocessproxy.system.faults import contained


async def work(settings: WorkerSettings, target: Target, reporter: Reporter) -> None:
    """Fetch and handle visits until cancelled. Raises ShareRefusedError."""
    relay_status = RelayStatus(str(settings.relay.host), reporter)
    error: ShareRefusedError | None = None
    async with asyncio.TaskGroup() as tasks:
        handler = VisitHandler(settings, target, reporter, tasks)
        try:
            if settings.transport == "auto":
                await _stream_on(settings, handler, relay_status)
            await poll(settings, handler, relay_status)
        except ShareRefusedError as refusal:
            error = refusal
        finally:
            handler.close()
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
