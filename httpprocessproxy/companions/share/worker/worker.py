"""The worker: streams where the relay can, polls where it cannot, comes back when it has gone."""

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


async def work(settings: WorkerSettings, target: Target, news: Reporter) -> None:
    """Fetch and play visits until cancelled. Raises ShareRefusedError."""
    contact = RelayStatus(str(settings.relay.host), news)
    error: ShareRefusedError | None = None
    async with asyncio.TaskGroup() as tasks:
        player = VisitHandler(settings, target, news, tasks)
        try:
            if settings.transport == "auto":
                await _stream_on(settings, player, contact)
            await poll(settings, player, contact)
        except ShareRefusedError as refusal:
            error = refusal
        finally:
            player.close()
    assert error is not None, "both go on until we are refused"
    raise error


async def _stream_on(settings: WorkerSettings, player: VisitHandler, contact: RelayStatus) -> None:
    """Stream, again and again, until the relay says that it does not."""
    loop, backoff = asyncio.get_running_loop(), Backoff()
    while True:
        began = loop.time()
        try:
            with contained("the link to the relay", LinkLostError, NoStreamError):
                await stream(settings, player, contact)
        except NoStreamError:
            return
        except LinkLostError as error:
            contact.lost(str(error))
        if loop.time() - began > FIRST_S:
            backoff.succeeded()
        await asyncio.sleep(backoff.failed())
