"""Making connections to the backend and to the admin: the only tasks of the data plane.

A connection is made for one exchange, whose `connected` or `lost` is called unless it has ended.
"""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.proxy import problems
from httpprocessproxy.proxy.upstream_connection import ResponseContext, UpstreamConnection
from httpprocessproxy.service.waiter import Target
from httpprocessproxy.system.faults import contained

# When a listen queue is full, the kernel drops the connection attempt and repeats it after 1 s,
# then 3 s. New attempts after 100 ms, then 200 ms and so on, succeed far sooner.
FIRST_TIMEOUT_S: Final = 0.1
CONNECT_TIMEOUT_S: Final = 10.0

# The delay after which a full backlog of the admin has room: it has accepted connections by then.
FULL_BACKLOG_S: Final = 0.005


class ConnectingExchange(Protocol):
    """An exchange that waits for its connection."""

    @property
    def over(self) -> bool: ...

    def leads_to(self, target: Target) -> bool:
        """Whether the request may still be sent to this generation."""

    def connected(self, upstream: UpstreamConnection) -> None:
        """Send the request on the connection that was made for it."""

    def lost(self, loss: Loss) -> None:
        """The connection could not be made."""

    def timed_out(self) -> None: ...

    def refused(self, problem: Problem) -> None: ...

    def abort(self) -> None:
        """End the request after a bug, without a response."""


class Connector:
    """Makes the connections of one service, in tasks of a group that all services share."""

    def __init__(
        self,
        responses: ResponseContext,
        complain: Callable[[str], None],
        group: asyncio.TaskGroup,
    ) -> None:
        """`complain` shows a line about the backend, once per generation."""
        self._responses = responses
        self._complain = complain
        self._group = group
        self._pending: dict[asyncio.Task[None], tuple[ConnectingExchange, Target]] = {}

    @property
    def is_connecting(self) -> bool:
        """Whether a connection to the backend is being made."""
        return bool(self._pending)

    def cancel(self) -> None:
        """Cancel the connections to the backend that are still being made."""
        for task in self._pending:
            task.cancel()

    def to_backend(self, exchange: ConnectingExchange, target: Target) -> None:
        work = self._contained(exchange, lambda: self._to_backend(exchange, target))
        task = self._group.create_task(work, name="to the backend")
        self._pending[task] = exchange, target
        task.add_done_callback(self._done)

    def to_admin(self, exchange: ConnectingExchange, path: str) -> None:
        work = self._contained(exchange, lambda: self._to_admin(exchange, path))
        self._group.create_task(work, name="to the admin")

    def end_generation(self, generation: GenerationId) -> None:
        """Cancel the connections that are being made to this generation."""
        for task, (exchange, target) in list(self._pending.items()):
            # A task that is done has passed its connection on, and `_done` follows.
            if target.generation != generation or task.done():
                continue
            task.cancel()
            if not exchange.over:
                exchange.lost(Loss.RESTARTED)

    def _done(self, task: asyncio.Task[None]) -> None:
        _, target = self._pending.pop(task)
        if task.cancelled() and target.connection is not None:
            target.connection.close()

    async def _contained(
        self, exchange: ConnectingExchange, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do `work`; an exception in it closes this client's connection only."""
        with contained("a request"):
            await work()
            return
        exchange.abort()

    async def _to_backend(self, exchange: ConnectingExchange, target: Target) -> None:
        try:
            upstream = await self._connect(exchange, target)
        except OSError as error:
            if not exchange.over:
                self._failed(exchange, target, error)
            return
        if not exchange.over and exchange.leads_to(target):
            exchange.connected(upstream)
            return
        upstream.close()
        if not exchange.over:
            exchange.lost(Loss.RESTARTED)

    async def _connect(self, exchange: ConnectingExchange, target: Target) -> UpstreamConnection:
        """Raises OSError, including TimeoutError."""
        loop = self._responses.loop
        if target.connection is not None:
            upstream = UpstreamConnection(self._responses, target.generation)
            await loop.create_connection(lambda: upstream, sock=target.connection)
            return upstream
        deadline = loop.time() + CONNECT_TIMEOUT_S
        timeout_s = FIRST_TIMEOUT_S
        while not exchange.over:
            upstream = UpstreamConnection(self._responses, target.generation)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._open(upstream, target)
            except TimeoutError:
                timeout_s *= 2
                if loop.time() + timeout_s > deadline:
                    raise
            else:
                return upstream
        raise TimeoutError  # the exchange has ended

    async def _open(self, upstream: UpstreamConnection, target: Target) -> None:
        """Raises OSError: that of the last host."""
        *others, last = target.host, *target.other_hosts
        for host in others:
            with contextlib.suppress(OSError):
                await self._responses.loop.create_connection(lambda: upstream, host, target.port)
                return
        await self._responses.loop.create_connection(lambda: upstream, last, target.port)

    def _failed(self, exchange: ConnectingExchange, target: Target, error: OSError) -> None:
        if not exchange.leads_to(target):
            exchange.lost(Loss.RESTARTED)
        elif isinstance(error, TimeoutError):
            exchange.timed_out()
        elif error.errno in (errno.EMFILE, errno.ENFILE):
            problem = problems.out_of_descriptors()
            self._complain(problem.detail)
            exchange.refused(problem)
        else:
            exchange.lost(Loss.REFUSED)

    async def _to_admin(self, exchange: ConnectingExchange, path: str) -> None:
        try:
            upstream = await self._connect_to_admin(exchange, path)
        except OSError:
            if not exchange.over:
                exchange.lost(Loss.REFUSED)
        else:
            exchange.connected(upstream)

    async def _connect_to_admin(
        self, exchange: ConnectingExchange, path: str
    ) -> UpstreamConnection:
        """Raises OSError."""
        loop = self._responses.loop
        deadline = loop.time() + CONNECT_TIMEOUT_S
        while True:
            upstream = UpstreamConnection(self._responses, None)
            try:
                await loop.create_unix_connection(lambda: upstream, path)  # noqa: B023
            except OSError as error:
                # unix(7): connect(2) fails at a full backlog at once, while it waits over TCP.
                is_full = error.errno == errno.EAGAIN and loop.time() < deadline
                if not is_full or exchange.over:
                    raise
                await asyncio.sleep(FULL_BACKLOG_S)
            else:
                return upstream
