"""`/_hpp/status`, `/_hpp/history`, `/_hpp/hops` and `POST /_hpp/restart`.

Status and restart are about the first service with a route, which a command line's only service is.
"""

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from httpprocessproxy.admin.answers import page
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.admin.states import StateWait, source
from httpprocessproxy.events import HopReported, Notice, StateChanged, members, to_json


class StatePages:
    def __init__(self, context: AdminContext, guard: AdminGuard) -> None:
        self._context = context
        self._first = context.first
        self._bus = context.bus
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_hpp/status", self.get_status)
        router.add_get("/_hpp/history", self.get_history)
        router.add_get("/_hpp/hops", self.get_hops)
        router.add_post("/_hpp/restart", self.post_restart)

    async def get_status(self, request: web.Request) -> web.Response:
        return await StateWait.of(request).response([self._first], self._bus, self._status)

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
        wait = replace(StateWait.of(request), after=self._first.status().generation)
        self._first.restart(source(request))
        return await wait.response_to_action([self._first], self._bus, self._status)

    def _status(self) -> Mapping[str, object]:
        states = {name: each.status().state for name, each in self._context.services.items()}
        return {**members(self._first.status()), "services": states}
