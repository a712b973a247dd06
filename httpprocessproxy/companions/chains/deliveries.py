"""Answers on their way to the next hop, in the background.

The rule: what was promised with 202 is delivered, or told as an error. So only as much is promised
as there is place for, and at the end there is a little time for what still waits. A request that
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

# Promised and not yet delivered, errors on their way, and how many at once.
MAX_PLACES: Final = 100
MAX_REPORTS: Final = 100
MAX_AT_ONCE: Final = 10
# Of all answers together, those that are still coming as well.
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024

# A hop may wait for a server to start, and then for what that does.
TIMEOUT_S: Final = 120.0
TIMEOUTS: Final = Timeouts(total_s=None, connect_s=10.0, idle_s=TIMEOUT_S)
SUCCESSES: Final = frozenset((200, 201, 202, 204))

# A connection that could not be made is tried again after these seconds.
BACK_OFF_S: Final = (0.25, 1.0)

# At the end of the program: for what waits, and then for telling what could not be delivered.
DRAIN_S: Final = 5.0
LAST_WORDS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ChainDelivery:
    """An answer to hand on, with these fields; `iri` and `host` say whose it is."""

    hop: Hop
    iri: str
    host: str
    fields: Mapping[str, str]
    answer: Capture

    def report(self, message: str, code: int = 0, text: str = "") -> Report:
        return Report(self.hop.rest, self.iri, self.host, message, code, text)


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of a delivery: `message` is empty if it arrived. `status` is 0 without one."""

    status: int
    message: str = ""
    text: str = ""
    tries: int = 1
    duration_s: float = 0.0


class Listener(Protocol):
    """Who hears of it."""

    def delivered(self, delivery: ChainDelivery, outcome: DeliveryOutcome) -> None: ...

    def tell(self, report: Report) -> Coroutine[None, None, None]: ...


class Deliveries:
    """Use `running` as a context: leaving it waits, for a while, until all have been delivered."""

    def __init__(self, outgoing: Outgoing, listener: Listener, *, places: int = MAX_PLACES) -> None:
        self._outgoing = outgoing
        self._listener = listener
        self._places = places
        self._taken = 0
        self._being_told = 0
        self._budget = Budget(MAX_KEPT_BYTES, _full)
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
        """Wait for what is on its way; then let the rest tell that it was not delivered."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        self._has_ended = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS_S)
        for task in self._tasks:
            task.cancel()

    # Places

    def take_place(self) -> bool:
        """Keep a place for a delivery to come; False if all are taken."""
        if not self._is_open or self._taken >= self._places:
            return False
        self._taken += 1
        return True

    def release(self) -> None:
        """Give back a place that is not used after all."""
        self._taken -= 1

    def share(self) -> BudgetShare:
        """The memory for an answer. It raises BadChain if too much is kept."""
        return self._budget.share()

    def put(self, delivery: ChainDelivery) -> bool:
        """Deliver it in the background, at the place that was taken; False if that has ended.

        From now on, place and answer are given back here.
        """
        if not self._is_open:
            return False
        name = f"hop of {delivery.hop.rest.id}"
        self._start(self._run(delivery), name)
        return True

    def tell(self, report: Report) -> bool:
        """Tell an error in the background; False if too many are being told."""
        if not self._is_open or self._being_told >= MAX_REPORTS:
            return False
        self._being_told += 1
        self._start(self._run_report(report), f"error of {report.chain.id}")
        return True

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # On the way

    async def _run(self, delivery: ChainDelivery) -> None:
        try:
            with contained(f"a hop of {delivery.hop.rest.id}"):
                await self._deliver_and_tell(delivery)
        finally:
            # Not before it is told: else whoever does not listen could have us tell without end.
            self.release()

    async def _deliver_and_tell(self, delivery: ChainDelivery) -> None:
        began_at = monotonic()
        outcome = await self._limited(delivery)
        delivery.answer.drop()
        self._listener.delivered(delivery, replace(outcome, duration_s=monotonic() - began_at))
        if outcome.message:
            report = delivery.report(outcome.message, outcome.status, outcome.text)
            await self._listener.tell(report)

    async def _run_report(self, report: Report) -> None:
        try:
            with contained(f"an error of {report.chain.id}"):
                await self._listener.tell(report)
        finally:
            self._being_told -= 1

    async def _limited(self, delivery: ChainDelivery) -> DeliveryOutcome:
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
        """Send it, again if there was no connection at all. Raises TimeoutError."""
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
            text = await _beginning(response)
            return DeliveryOutcome(response.status, f"answered with {response.status}", text)


def _full() -> BadChain:
    return BadChain(503, "too much waits to go on")


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """What it says, up to a limit. Raises aiohttp.ClientError."""
    said = b""
    while len(said) < MAX_TEXT_BYTES:
        piece = await response.content.read(MAX_TEXT_BYTES - len(said))
        if not piece:
            break
        said += piece
    return said.decode(errors="replace")
