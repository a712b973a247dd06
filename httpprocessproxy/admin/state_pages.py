"""`/_hpp/status`, `/_hpp/history`, `/_hpp/hops` and `POST /_hpp/restart`: state, also awaited.

With `wait=STATE[,STATE]` the response is sent when one of these states is reached, or after
`timeout` seconds: then as 504, with the present state. `after=GENERATION` requires a later
generation. A request that waits passes the watcher's fence first, so that the response covers files
that were saved before the request.
"""

import asyncio

from aiohttp import web

from httpprocessproxy.admin.answers import choices, number, page, seconds
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.events import HopReported, Notice, StateChanged, members, to_json

STATES = ("loading", "running", "error", "killing")

DEFAULT_TIMEOUT_S = 30.0
MAX_TIMEOUT_S = 3600.0


class StatePages:
    def __init__(self, context: AdminContext, guard: AdminGuard) -> None:
        self._service = context.service
        self._bus = context.bus
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_hpp/status", self.get_status)
        router.add_get("/_hpp/history", self.get_history)
        router.add_get("/_hpp/hops", self.get_hops)
        router.add_post("/_hpp/restart", self.post_restart)

    async def get_status(self, request: web.Request) -> web.Response:
        wanted = _wanted(request)
        after = number(request.query.get("after", "0"), "after")
        if wanted is None:
            return web.json_response(members(self._service.status()))
        return await self._wait(wanted, after, _timeout_s(request))

    async def get_history(self, _: web.Request) -> web.Response:
        """The recorded transitions and notices, the oldest first."""
        history = {
            "run": self._bus.run,
            "states": [to_json(event) for event in self._bus.recent(StateChanged)],
            "notices": [to_json(event) for event in self._bus.recent(Notice)],
        }
        return web.json_response(history)

    async def get_hops(self, request: web.Request) -> web.Response:
        """The hops of chains (`--forward-chains`), the oldest first; `id=` selects one chain.

        URLs may contain secrets, so a browser needs the token to read them.
        """
        refusal = self._guard.refusal_without_token(request)
        if refusal is not None:
            return page(request, refusal)
        chain = request.query.get("id", "").lower()
        hops = self._bus.recent(HopReported)
        shown = [to_json(hop) for hop in hops if chain in ("", hop.chain.lower())]
        return web.json_response({"hops": shown})

    async def post_restart(self, request: web.Request) -> web.Response:
        wanted, timeout_s = _wanted(request), _timeout_s(request)
        generation = self._service.status().generation
        self._service.restart("the page" if "Origin" in request.headers else "a program")
        if wanted is None:
            return web.json_response(members(self._service.status()), status=202)
        return await self._wait(wanted, generation, timeout_s)

    async def _wait(self, wanted: frozenset[str], after: int, timeout_s: float) -> web.Response:
        """Answer when a generation later than `after` is in one of the wanted states.

        Files written before the request have had their effect on the state by then.
        """
        has_changed = asyncio.Event()
        with self._bus.subscribe([StateChanged], lambda _: has_changed.set()):
            try:
                async with asyncio.timeout(timeout_s):
                    await self._service.fence()
                    while not self._is_in(wanted, after):
                        await has_changed.wait()
                        has_changed.clear()
            except TimeoutError:
                return web.json_response(members(self._service.status()), status=504)
        return web.json_response(members(self._service.status()))

    def _is_in(self, wanted: frozenset[str], after: int) -> bool:
        status = self._service.status()
        return status.state in wanted and status.generation > after


def _wanted(request: web.Request) -> frozenset[str] | None:
    wait = request.query.get("wait")
    return None if wait is None else choices(wait, "wait", STATES)


def _timeout_s(request: web.Request) -> float:
    timeout = request.query.get("timeout", str(DEFAULT_TIMEOUT_S))
    return seconds(timeout, "timeout", MAX_TIMEOUT_S)
