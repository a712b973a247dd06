"""`/_hpp/hops`: the hops of chains (`--forward-chains`) through this proxy, the oldest first.

`id=` selects one chain. URLs may contain secrets, so a browser needs the token to read them.
"""

from aiohttp import web

from httpprocessproxy.admin.answers import page
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.events import EventBus, HopReported, to_json


class Hops:
    def __init__(self, bus: EventBus, guard: AdminGuard) -> None:
        self._bus = bus
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_hpp/hops", self.get_hops)

    async def get_hops(self, request: web.Request) -> web.Response:
        refusal = self._guard.refusal_without_token(request)
        if refusal is not None:
            return page(request, refusal)
        chain = request.query.get("id", "").lower()
        hops = self._bus.recent(HopReported)
        shown = [to_json(hop) for hop in hops if chain in ("", hop.chain.lower())]
        return web.json_response({"hops": shown})
