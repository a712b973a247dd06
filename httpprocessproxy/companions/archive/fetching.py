"""Fetches items through the guarded client, in order, and requests the next item ahead.

The rule: everything that an origin controls has a limit: bytes, total time, time without data.
Leaving the context cancels all requests, even those that wait for the origin or for the reader.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed
from httpprocessproxy.companions.fetch_client import Outgoing, Refused, Timeouts

_GIB: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one archive: sizes in bytes before compression, times in seconds.

    `item_s` applies to an item's head and again to its body; the latter also depends on the pace
    of the archive's reader. A response requested ahead that has waited for longer than `fresh_s`
    is requested again: servers close connections whose client does not read.
    """

    item_bytes: int = 16 * _GIB
    total_bytes: int = 64 * _GIB
    item_s: float = 3600.0
    total_s: float = 24 * 3600.0
    idle_s: float = 90.0
    connect_s: float = 10.0
    fresh_s: float = 15.0


class Fetching:
    """A `Fetcher` (`origins.py`) of the URLs that `outgoing` permits."""

    def __init__(self, outgoing: Outgoing, limits: Limits | None = None) -> None:
        self._outgoing = outgoing
        self._limits = limits or Limits()

    @contextlib.asynccontextmanager
    async def fetch(self, items: Sequence[Item]) -> AsyncIterator[AsyncIterator[Fetched | Missed]]:
        """One result for each item, in order; see `Fetcher`."""
        async with contextlib.AsyncExitStack() as exits:
            tasks = await exits.enter_async_context(_plain_task_group())
            fetch = _Fetch(self._outgoing, self._limits, tasks)
            answers = fetch.answers(items)
            try:
                yield answers
            finally:
                fetch.end()
                await answers.aclose()


class _Request:
    """A request and its response, which a task of its own holds open until `left` is set."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.answered = asyncio.Event()
        self.left = asyncio.Event()
        self.answer: Fetched | Missed = Missed(item, "no response")
        self.answered_at = 0.0
        self.task: asyncio.Task[None] | None = None


class _Fetch:
    """The fetching of one archive."""

    def __init__(self, outgoing: Outgoing, limits: Limits, tasks: asyncio.TaskGroup) -> None:
        self._outgoing = outgoing
        self._limits = limits
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + limits.total_s
        self._bytes_left = limits.total_bytes
        self._requests: set[_Request] = set()

    async def answers(self, items: Sequence[Item]) -> AsyncGenerator[Fetched | Missed, None]:
        """One result for each item. Requesting the next one closes the previous response."""
        ahead = [self._start(item) for item in items[:1]]
        for following in [*items[1:], None]:
            if not ahead:
                return
            request = await self._fresh(ahead.pop())
            if following is not None:
                ahead.append(self._start(following))
            yield request.answer
            request.left.set()

    async def _fresh(self, request: _Request) -> _Request:
        """Wait for the response; replace a request whose response has waited for too long."""
        if not request.answered.is_set():
            await request.answered.wait()
        elif self._loop.time() - request.answered_at > self._limits.fresh_s:
            request.left.set()
            request = self._start(request.item)
            await request.answered.wait()
        return request

    def end(self) -> None:
        """Cancel all requests."""
        for request in self._requests:
            assert request.task is not None
            request.task.cancel()

    def _start(self, item: Item) -> _Request:
        request = _Request(item)
        self._requests.add(request)
        request.task = self._tasks.create_task(self._hold(request), name="item of an archive")
        return request

    async def _hold(self, request: _Request) -> None:
        """Request an item, and hold its response open until `left` is set."""
        try:
            async with contextlib.AsyncExitStack() as exits:
                request.answer = await self._answer(request.item, exits)
                request.answered_at = self._loop.time()
                request.answered.set()
                await request.left.wait()
        finally:
            self._requests.discard(request)

    async def _answer(self, item: Item, exits: contextlib.AsyncExitStack) -> Fetched | Missed:
        """The head of an item's response, or the reason for its absence."""
        limits = self._limits
        if self._bytes_left <= 0:
            return Missed(item, self._too_large)
        timeouts = Timeouts(total_s=None, connect_s=limits.connect_s, idle_s=limits.idle_s)
        get = self._outgoing.get(item.url, dict(item.headers), timeouts)
        try:
            async with asyncio.timeout_at(self._deadline()):
                response = await exits.enter_async_context(get)
        except (Refused, OSError, aiohttp.ClientError) as error:
            return Missed(item, reason_of(error))
        size = response.content_length
        if "Content-Encoding" in response.headers:
            size = None
        if size is not None and size > limits.item_bytes:
            return Missed(item, f"{size} bytes, of {limits.item_bytes} at most")
        content_type = response.headers.get("Content-Type", "")
        return Fetched(item, response.status, content_type, size, self._body(response))

    async def _body(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The pieces of a body. Raises ItemFailedError."""
        deadline, item_bytes_left = self._deadline(), self._limits.item_bytes
        while piece := await _read(response, deadline):
            item_bytes_left -= len(piece)
            self._bytes_left -= len(piece)
            if item_bytes_left < 0:
                raise ItemFailedError(f"more than {self._limits.item_bytes} bytes")
            if self._bytes_left < 0:
                raise ItemFailedError(self._too_large)
            yield piece

    def _deadline(self) -> float:
        return min(self._ends_at, self._loop.time() + self._limits.item_s)

    @property
    def _too_large(self) -> str:
        return f"the archive would have more than {self._limits.total_bytes} bytes"


async def _read(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The next piece of a body, b"" at its end. Raises ItemFailedError."""
    try:
        # A timeout around the whole body would also cancel the reader between two pieces.
        async with asyncio.timeout_at(deadline):
            return await response.content.readany()
    except (OSError, aiohttp.ClientError) as error:
        raise ItemFailedError(reason_of(error)) from None


@contextlib.asynccontextmanager
async def _plain_task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises errors of the `async with` body without an ExceptionGroup."""
    async with contextlib.AsyncExitStack() as exits:
        tasks = await exits.enter_async_context(asyncio.TaskGroup())
        try:
            yield tasks
        finally:
            await exits.aclose()


def reason_of(error: Exception) -> str:
    """The reason of a request's failure as one readable line."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "cannot connect: it took too long"
        case aiohttp.ServerTimeoutError():
            return "no data for too long"
        case TimeoutError():
            return "it took too long"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientPayloadError():
            return "it ended too early, or was not well encoded"
        case aiohttp.ClientResponseError():
            # aiohttp's own text begins with a status, 400, which the server has not sent.
            what = error.message.split("\n")[0].rstrip(":")
            return f"its response cannot be read: {what}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
    return str(error).split("\n")[0] or type(error).__name__
