"""The relay application: creates the relay's components, and starts and stops them in order."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import web

from httpprocessproxy.companions.share.relay import access_log
from httpprocessproxy.companions.share.relay.access_log import AccessRecord
from httpprocessproxy.companions.share.relay.polls import Polls
from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous
from httpprocessproxy.companions.share.relay.server import Handler, RelayServer, Router, Routes
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.companions.share.relay.site import Exposition, RelaySite
from httpprocessproxy.companions.share.relay.tokens import Tokens
from httpprocessproxy.companions.share.relay.visit import VisitError, VisitOutcome
from httpprocessproxy.companions.share.relay.visitors import Visitors
from httpprocessproxy.companions.share.relay.waiters import Waiters
from httpprocessproxy.companions.share.stream.relay_end import Links
from httpprocessproxy.config import Address
from httpprocessproxy.core.budget import Budget
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.event_loop import signalled
from httpprocessproxy.system.faults import contained
from httpprocessproxy.system.sockets import cannot_listen, listen_on, on_every_host

_TOKENS_PERIOD_S = 1.0

_log = logging.getLogger(__name__)


def _no_memory() -> VisitError:
    return VisitError(VisitOutcome.QUEUE_FULL, "no memory for more bodies")


class Relay:
    """A relay. Its public methods without arguments are the sources of the metrics."""

    def __init__(
        self,
        settings: RelaySettings,
        tokens: Tokens,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self._is_closing = False
        self._budget = Budget(settings.max_memory_bytes, _no_memory)
        self._on_ended: list[Callable[[AccessRecord], None]] = []
        if settings.access_log:
            self._on_ended.append(access_log.write)
        rendezvous = Rendezvous(settings.max_queue)
        self.waiters = Waiters(rendezvous)
        self.visitors = Visitors(settings, rendezvous, self._budget, self._report)
        self.polls = Polls(settings, rendezvous, self.waiters, self._budget, tasks)
        exposition = self._metrics()
        is_apart = settings.metrics is not None
        self.site = RelaySite(self.is_healthy, None if is_apart else exposition)
        self.site_apart = RelaySite(self.is_healthy, exposition)
        links = Links(rendezvous, self.waiters, tokens, settings.hold_s)
        routes = Routes(self.visitors, self.polls, links.handle, self.site.handle)
        self.router = Router(settings.domain, tokens, routes)

    def is_healthy(self) -> bool:
        """Whether the relay accepts visits."""
        return not self._is_closing

    # Metrics

    def visits(self) -> int:
        return self.visitors.count

    def waiting_calls(self) -> Mapping[str, int]:
        return self.waiters.counts

    def ignored_answers(self) -> int:
        return self.polls.ignored

    def memory_bytes(self) -> int:
        return self._budget.held_bytes

    async def watch_tokens(self) -> None:
        """Reload the tokens when their file changes, and end all waiting calls.

        Workers whose token is still valid call again.
        """
        while True:
            await asyncio.sleep(_TOKENS_PERIOD_S)
            with contained("a reload of the tokens"):
                if self.tokens.refresh():
                    self.waiters.release()

    async def close(self) -> None:
        """Refuse new visits, wait for the answers in progress, then end the workers' calls."""
        self._is_closing = True
        self.visitors.close()
        await self.visitors.wait_idle(self.settings.drain_s)
        self.waiters.close()
        await self.polls.close(self.settings.drain_s)

    def _report(self, record: AccessRecord) -> None:
        for callback in self._on_ended:
            callback(record)

    def _metrics(self) -> Exposition | None:
        """The metrics, if prometheus-client is installed."""
        try:
            from httpprocessproxy.companions.share.relay.metrics import CONTENT_TYPE, Metrics
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            if self.settings.metrics is not None:
                more = "pip install 'http-process-proxy[relay]'"
                raise UserError(f"--metrics needs more packages: {more}") from None
            return None
        metrics = Metrics(self)
        self._on_ended.append(metrics.count)
        return lambda: (metrics.exposition(), CONTENT_TYPE)


async def run(settings: RelaySettings) -> None:
    """Serve until a signal. Raises UserError."""
    tokens = Tokens(settings.tokens, settings.domain)
    async with contextlib.AsyncExitStack() as exits:
        stopped = signalled()
        tasks = await exits.enter_async_context(asyncio.TaskGroup())
        relay = Relay(settings, tokens, tasks)
        exits.callback(tasks.create_task(relay.watch_tokens(), name="tokens").cancel)
        url = await exits.enter_async_context(_serving(relay.router.handle, settings.bind))
        if settings.metrics is not None:
            serving = _serving(relay.site_apart.handle, settings.metrics)
            _log.info("metrics on %s", await exits.enter_async_context(serving))
        exits.push_async_callback(relay.close)
        _log.info("relay for *.%s on %s", settings.domain, url)
        await stopped
        _log.info("stopping; visits in progress have %g s", settings.drain_s)


@contextlib.asynccontextmanager
async def _serving(handler: Handler, bind: Address) -> AsyncIterator[str]:
    """Serve while the context is open, and yield the address. Raises UserError."""
    runner = web.ServerRunner(RelayServer(handler, handler_cancellation=True), shutdown_timeout=1.0)
    await runner.setup()
    try:
        for listener in _listen(bind):
            await web.SockSite(runner, listener).start()
        port = runner.addresses[0][1]
        yield str(Address(bind.host, port))
    finally:
        await runner.cleanup()


def _listen(bind: Address) -> list[socket.socket]:
    """Raises UserError."""
    try:
        return on_every_host(bind, listen_on)
    except OSError as error:
        raise cannot_listen(bind, error) from None
