"""The worker: streams where the relay can, polls where it cannot, comes back when it has gone."""

import asyncio

from httpprocessproxy.faults import contained
from httpprocessproxy.share.stream.link import LostError
from httpprocessproxy.share.stream.worker_end import NoStreamError, stream
from httpprocessproxy.share.worker.backoff import FIRST_S, Backoff
from httpprocessproxy.share.worker.connections import Target
from httpprocessproxy.share.worker.contact import Contact
from httpprocessproxy.share.worker.player import Player
from httpprocessproxy.share.worker.polling import poll
from httpprocessproxy.share.worker.settings import News, RefusedError, Settings


async def work(settings: Settings, target: Target, news: News) -> None:
    """Fetch and play visits until cancelled. Raises RefusedError."""
    contact = Contact(str(settings.relay.host), news)
    error: RefusedError | None = None
    async with asyncio.TaskGroup() as tasks:
        player = Player(settings, target, news, tasks)
        try:
            if settings.transport == "auto":
                await _stream_on(settings, player, contact)
            await poll(settings, player, contact)
        except RefusedError as refusal:
            error = refusal
        finally:
            player.close()
    assert error is not None, "both go on until we are refused"
    raise error


async def _stream_on(settings: Settings, player: Player, contact: Contact) -> None:
    """Stream, again and again, until the relay says that it does not."""
    loop, backoff = asyncio.get_running_loop(), Backoff()
    while True:
        began = loop.time()
        try:
            with contained("the link to the relay", LostError, NoStreamError):
                await stream(settings, player, contact)
        except NoStreamError:
            return
        except LostError as error:
            contact.lost(str(error))
        if loop.time() - began > FIRST_S:
            backoff.succeeded()
        await asyncio.sleep(backoff.failed())
