"""The lifespan of an application: startup and shutdown, once for a server (ASGI, Lifespan).

An application that raises before it completes the startup does not support lifespan; it is served
all the same.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final

from httpprocessproxy.asgi.interface import (
    Application,
    ApplicationError,
    Event,
    Scope,
    State,
)
from httpprocessproxy.asgi.scope import VERSION
from httpprocessproxy.core.errors import UserError

# After Ctrl+C, an application that never completes its shutdown must not block the exit for long.
SHUTDOWN_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def lifespan(application: Application, group: asyncio.TaskGroup) -> AsyncIterator[State]:
    """Start a contained application, in a task of `group`, and shut it down at the end.

    Yields the state, of which each request's scope gets a copy. Raises UserError if the startup
    fails.
    """
    running = _Lifespan()
    task = group.create_task(running.run(application), name="lifespan")
    try:
        await running.has_started.wait()
        if running.failure is not None:
            raise UserError(f"the application did not start: {running.failure}")
        yield running.state
    finally:
        if running.has_started.is_set():
            await running.shut_down()
        task.cancel()


class _Lifespan:
    def __init__(self) -> None:
        self.state: State = {}
        self.has_started = asyncio.Event()
        self.failure: str | None = None
        self._has_ended = asyncio.Event()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._events.put_nowait({"type": "lifespan.startup"})
        self._is_supported = False  # the application has called receive()

    async def run(self, application: Application) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": VERSION, "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await application(scope, self._receive, self._send)
        except ApplicationError as error:
            is_unexpected = self._is_supported and not self._has_ended.is_set()
            level = logging.ERROR if is_unexpected else logging.DEBUG
            _log.log(level, "the application failed in its lifespan", exc_info=error.__cause__)
        finally:
            self.has_started.set()
            self._has_ended.set()

    async def shut_down(self) -> None:
        """Send the shutdown event, and wait until the application has ended, or timed out."""
        self._events.put_nowait({"type": "lifespan.shutdown"})
        try:
            async with asyncio.timeout(SHUTDOWN_TIMEOUT_S):
                await self._has_ended.wait()
        except TimeoutError:
            _log.warning("the application did not shut down within %g s", SHUTDOWN_TIMEOUT_S)

    async def _receive(self) -> Event:
        self._is_supported = True
        return await self._events.get()

    async def _send(self, event: Mapping[str, object]) -> None:
        kind, text = event["type"], str(event.get("message") or "no reason given")
        match kind:
            case "lifespan.startup.complete":
                self.has_started.set()
            case "lifespan.startup.failed":
                self.failure = text
                self.has_started.set()
                self._has_ended.set()
            case "lifespan.shutdown.complete":
                self._has_ended.set()
            case "lifespan.shutdown.failed":
                _log.error("the application did not shut down well: %s", text)
                self._has_ended.set()
            case _:
                raise RuntimeError(f"ASGI event {kind!r} out of turn")
