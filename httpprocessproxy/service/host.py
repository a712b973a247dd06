"""The host of a service's generations: their effects on the gate, the inbox and connections."""

import asyncio
from collections.abc import Callable, Collection

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.core.state import State
from httpprocessproxy.service.context import DataPlane, ServiceContext
from httpprocessproxy.service.generation import Start
from httpprocessproxy.service.waiter import Target


class Host:
    """Implements `generation.GenerationHost`."""

    def __init__(
        self, context: ServiceContext, plane: DataPlane, begins: Callable[[], None]
    ) -> None:
        """`begins` is called when a start that had to wait begins."""
        self.reports = context.reports
        self.sign = context.sign
        self._context = context
        self._plane = plane
        self._begins = begins

    async def quiet(self) -> None:
        await self._context.inbox.quiet()

    async def may_start(self) -> None:
        await self.quiet()
        if await self._context.member.may_start():
            self._begins()

    async def before_start(self) -> str:
        builds = self._context.builds
        if builds is None:
            return ""
        has_to_wait = builds.has_to_wait
        obstacle = await builds.before_start()
        if has_to_wait:
            self._begins()
        return obstacle

    def started(self, start: Start) -> None:
        self._context.history.started(start)

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        # A request must not be answered by a start that a pending save may end.
        is_loading = self._context.machine.state is State.LOADING
        if not is_loading or self._context.changes.is_pending or self._context.member.has_to_wait:
            return None
        return self._context.gate.first_request(target)

    def ready(self, generation: GenerationId, target: Target | None) -> None:
        if paths := self._context.changes.answers():
            if self._context.builds is None:
                self._context.inbox.put_changed(paths)
            else:
                self._context.builds.changed(paths)
        self._context.inbox.ready(generation.number, target)

    async def drained(self) -> None:
        await self._context.gate.drained(self._context.config.restart.drain_s)
        self._context.history.drained()

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        # If the server exited by itself, the gate is still open: requests would join the queue of
        # a socket on which no server answers.
        self._context.gate.hold()
        self._plane.reclaim_unaccepted(ends)

    def silence(self) -> Silence | None:
        return self._plane.silence

    def end_connections(self, generation: GenerationId) -> None:
        self._plane.end_generation(generation)
