"""The queue of deliveries: it sends captured responses to their next hops, in the background.

The rule: a response accepted with 202 is delivered, or its failure is reported. So the queue has a
limited number of places, and at the end of the program it drains for a few seconds. A request that
may have arrived is never sent again.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, Protocol

import aiohttp

from httpprocessproxy.companions.chains.capture import Capture
from httpprocessproxy.companions.chains.chain import BadChain, Hop
from httpprocessproxy.companions.chains.reports import MAX_TEXT_BYTES, Report
from httpprocessproxy.companions.fetch_client import Outgoing, Refused, Timeouts
from httpprocessproxy.core.budget import Budget, BudgetShare
from httpprocessproxy.system.faults import contained

# Accepted and not yet delivered; queued reports; concurrent requests.
MAX_PLACES: Final = 100
MAX_REPORTS: Final = 100
MAX_AT_ONCE: Final = 10
# All captured responses together, including those that are still being received.
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024

# A hop may wait for its server to start, and then for the server's response.
TIMEOUT_S: Final = 120.0
TIMEOUTS: Final = Timeouts(total_s=None, connect_s=10.0, idle_s=TIMEOUT_S)
SUCCESSES: Final = frozenset((200, 201, 202, 204))

# The pauses before a failed connection is tried again.
BACK_OFF_S: Final = (0.25, 1.0)

# At the end of the program: for queued deliveries, and then for reports of those that failed.
DRAIN_S: Final = 5.0
REPORT_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ChainDelivery:
    """A captured response for the next hop, to be sent with these fields.

    `iri` and `host` are the path and Host of the request that it responds to.
    """

    hop: Hop
    iri: str
    host: str
    fields: Mapping[str, str]
    answer: Capture

    def report(self, message: str, code: int = 0, text: str = "") -> Report:
        return Report(self.hop.rest, self.iri, self.host, message, code, text)


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The result of a delivery: `message` is empty on success, `status` 0 without a response."""

    status: int
    message: str = ""
    text: str = ""
    tries: int = 1
    duration_s: float = 0.0


class DeliveryListener(Protocol):
    """The owner of the queue: it is notified of outcomes, and sends the error reports."""

    def delivered(self, delivery: ChainDelivery, outcome: DeliveryOutcome) -> None: ...

    def send_report(self, report: Report) -> Coroutine[None, None, None]: ...


class Deliveries:
    """A queue of deliveries and error reports.

    `running()` is a context manager; leaving it drains the queue, for DRAIN_S + REPORT_DRAIN_S.
    """

    def __init__(
        self, outgoing: Outgoing, listener: DeliveryListener, *, places: int = MAX_PLACES
    ) -> None:
        self._outgoing = outgoing
        self._listener = listener
        self._places = places
        self._taken_places = 0
        self._queued_reports = 0
        self._budget = Budget(MAX_KEPT_BYTES, _budget_spent)
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()
        self._limits: set[asyncio.Timeout] = set()
        self._is_open = False
        self._has_ended = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as self._group:
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False
                await self._drain()

    async def _drain(self) -> None:
        """Wait for the queued deliveries; then time out the rest, and wait for their reports."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        self._has_ended = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=REPORT_DRAIN_S)
        for task in self._tasks:
            task.cancel()

    # Places

    def take_place(self) -> bool:
        """Reserve a place for a later delivery; False if all places are taken."""
        if not self._is_open or self._taken_places >= self._places:
            return False
        self._taken_places += 1
        return True

    def release(self) -> None:
        """Free a reserved place without a delivery."""
        self._taken_places -= 1

    def share(self) -> BudgetShare:
        """The memory for a response; it raises BadChain when the budget is spent."""
        return self._budget.share()

    def put(self, delivery: ChainDelivery) -> bool:
        """Start a delivery in the background, on its reserved place; False if the program ends.

        If True, the queue takes over the place and the captured response, and releases both.
        """
        if not self._is_open:
            return False
        name = f"hop of {delivery.hop.rest.id}"
        self._start(self._run(delivery), name)
        return True

    def put_report(self, report: Report) -> bool:
        """Send a report in the background; False if MAX_REPORTS wait, or the program ends."""
        if not self._is_open or self._queued_reports >= MAX_REPORTS:
            return False
        self._queued_reports += 1
        self._start(self._run_report(report), f"error of {report.chain.id}")
        return True

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Sending

    async def _run(self, delivery: ChainDelivery) -> None:
        try:
            with contained(f"a hop of {delivery.hop.rest.id}"):
                await self._deliver_and_report(delivery)
        finally:
            # The place stays taken until the report is sent: a destination that does not respond
            # would let the number of pending reports grow without bound.
            self.release()

    async def _deliver_and_report(self, delivery: ChainDelivery) -> None:
        began_at = monotonic()
        outcome = await self._deliver_in_time(delivery)
        delivery.answer.drop()
        self._listener.delivered(delivery, replace(outcome, duration_s=monotonic() - began_at))
        if outcome.message:
            report = delivery.report(outcome.message, outcome.status, outcome.text)
            await self._listener.send_report(report)

    async def _run_report(self, report: Report) -> None:
        try:
            with contained(f"an error of {report.chain.id}"):
                await self._listener.send_report(report)
        finally:
            self._queued_reports -= 1

    async def _deliver_in_time(self, delivery: ChainDelivery) -> DeliveryOutcome:
        """Deliver within TIMEOUT_S, and before the end of the program."""
        try:
            async with asyncio.timeout(None) as limit:
                self._limits.add(limit)
                try:
                    async with self._at_once:
                        if not self._has_ended:
                            limit.reschedule(asyncio.get_running_loop().time() + TIMEOUT_S)
                        return await self._deliver(delivery)
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            ended = "this proxy has ended before it was answered"
            return DeliveryOutcome(
                0, ended if self._has_ended else f"no answer within {TIMEOUT_S:g} s"
            )

    async def _deliver(self, delivery: ChainDelivery) -> DeliveryOutcome:
        """Send a delivery; try again only if no connection was made. Raises TimeoutError."""
        tries = 0
        while True:
            tries += 1
            try:
                return replace(await self._send(delivery), tries=tries)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                if tries > len(BACK_OFF_S):
                    return DeliveryOutcome(0, f"no connection: {error}", tries=tries)
            except Refused as error:
                return DeliveryOutcome(0, f"refused: {error}", tries=tries)
            except aiohttp.ServerTimeoutError:
                raise
            except (aiohttp.ClientError, OSError) as error:
                return DeliveryOutcome(0, f"no answer: {error}", tries=tries)
            await asyncio.sleep(BACK_OFF_S[tries - 1])

    async def _send(self, delivery: ChainDelivery) -> DeliveryOutcome:
        hop = delivery.hop
        async with self._outgoing.send(
            hop.method, hop.url, delivery.fields, delivery.answer.content, TIMEOUTS
        ) as response:
            if response.status in SUCCESSES:
                return DeliveryOutcome(response.status)
            text = await _read_text(response)
            return DeliveryOutcome(response.status, f"answered with {response.status}", text)


def _budget_spent() -> BadChain:
    return BadChain(503, "too much waits to go on")


async def _read_text(response: aiohttp.ClientResponse) -> str:
    """The first MAX_TEXT_BYTES of a response's body. Raises aiohttp.ClientError."""
    body = b""
    while len(body) < MAX_TEXT_BYTES:
        piece = await response.content.read(MAX_TEXT_BYTES - len(body))
        if not piece:
            break
        body += piece
    return body.decode(errors="replace")
