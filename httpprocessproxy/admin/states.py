"""States of services in requests: the query parameters, and the wait for a state.

With `wait=STATE[,STATE]` the response is sent when one of these states is reached, or after
`timeout` seconds: then as 504, with the present state. `after=GENERATION` requires a later
generation, and is answered by 504 as soon as the last build has failed: then none follows. A
request that waits passes the watcher's fence first, so that the response covers files that were
saved before the request, and their build.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from httpprocessproxy.admin.answers import choices, number, seconds
from httpprocessproxy.admin.context import AdminService
from httpprocessproxy.events import BuildChanged, EventBus, StateChanged

STATES: Final = ("loading", "running", "error", "killing", "stopped", "idle")

DEFAULT_TIMEOUT_S: Final = 30.0
MAX_TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class StateWait:
    """The state that a request waits for; without `wanted` it does not wait."""

    wanted: frozenset[str] | None
    after: int
    timeout_s: float

    @classmethod
    def of(cls, request: web.Request) -> "StateWait":
        """Parse the query of a request. Raises RequestError."""
        query = request.query
        wait = query.get("wait")
        return cls(
            None if wait is None else choices(wait, "wait", STATES),
            number(query.get("after", "0"), "after"),
            seconds(query.get("timeout", str(DEFAULT_TIMEOUT_S)), "timeout", MAX_TIMEOUT_S),
        )

    async def response(
        self,
        services: Sequence[AdminService],
        bus: EventBus,
        content: Callable[[], Mapping[str, object]],
    ) -> web.Response:
        """Wait for the state; the response has the content as it is then."""
        is_reached = await self.reached(services, bus)
        return web.json_response(content(), status=200 if is_reached else 504)

    async def response_to_action(
        self,
        services: Sequence[AdminService],
        bus: EventBus,
        content: Callable[[], Mapping[str, object]],
    ) -> web.Response:
        """Respond as `response`; without a wait, the effect of an action is still to come."""
        if self.wanted is None:
            return web.json_response(content(), status=202)
        return await self.response(services, bus, content)

    async def reached(self, services: Sequence[AdminService], bus: EventBus) -> bool:
        """Wait until each service is in one of the wanted states.

        Returns False at the timeout, or as soon as a failed build prevents it.
        """
        if self.wanted is None:
            return True
        has_changed = asyncio.Event()
        with bus.subscribe([StateChanged, BuildChanged], lambda _: has_changed.set()):
            try:
                async with asyncio.timeout(self.timeout_s):
                    for service in services:
                        await service.fence()
                    while not all(map(self._is_reached, services)):
                        if any(map(self._is_prevented, services)):
                            return False
                        await has_changed.wait()
                        has_changed.clear()
            except TimeoutError:
                return False
        return True

    def _is_reached(self, service: AdminService) -> bool:
        status = service.status()
        assert self.wanted is not None, "only a wait has states"
        return status.state in self.wanted and status.generation > self.after

    def _is_prevented(self, service: AdminService) -> bool:
        """Whether the last build has failed, so that no later generation is on its way."""
        status = service.status()
        has_failed = status.build is not None and bool(status.build.failure)
        return has_failed and status.generation <= self.after


def source(request: web.Request) -> str:
    """The source of a request that acts on a service, for a line in the terminal."""
    return "the page" if "Origin" in request.headers else "a program"
