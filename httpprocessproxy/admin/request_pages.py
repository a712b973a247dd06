"""`/_hpp/requests`: the log of requests, and their replay.

Requests contain cookies and credentials, so a browser needs the token also to read them.
"""

from aiohttp import web

from httpprocessproxy.admin.answers import choices, number, page
from httpprocessproxy.admin.guard import AdminGuard
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.events import members
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestRecord


class RequestPages:
    def __init__(self, replays: Replayer, guard: AdminGuard) -> None:
        self._replays = replays
        self._guard = guard

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_hpp/requests", self.get_requests)
        router.add_get("/_hpp/requests/{id}", self.get_request)
        router.add_post("/_hpp/requests/{id}/replay", self.post_replay)
        router.add_post("/_hpp/replay-failed", self.post_replay_failed)

    async def get_requests(self, request: web.Request) -> web.Response:
        """The last requests, the newest first."""
        refusal = self._guard.refusal_without_token(request)
        if refusal is not None:
            return page(request, refusal)
        rows = [members(record.row()) for record in self._replays.log]
        return web.json_response({"requests": rows, **self._failed()})

    async def get_request(self, request: web.Request) -> web.Response:
        refusal = self._guard.refusal_without_token(request)
        if refusal is not None:
            return page(request, refusal)
        return web.json_response(self._find(request).details())

    async def post_replay(self, request: web.Request) -> web.Response:
        record = self._find(request)
        if not record.can_be_replayed:
            raise RequestError(
                409,
                "an upgrade, a request whose body was large or not whole, or "
                "one that has not ended cannot be sent again",
            )
        return web.json_response({"id": self._replays.send(record).id}, status=202)

    async def post_replay_failed(self, request: web.Request) -> web.Response:
        """Set whether the last failed request is replayed after each restart."""
        on = choices(request.query.get("on", ""), "on", ("true", "false"))
        self._replays.after_restarts = "true" in on
        return web.json_response(self._failed())

    def _find(self, request: web.Request) -> RequestRecord:
        """Raises RequestError."""
        record = self._replays.log.find(number(request.match_info["id"], "the id"))
        if record is None:
            raise RequestError(404, "no request of this number is known, or no longer")
        return record

    def _failed(self) -> dict[str, object]:
        failed = self._replays.log.last_failed()
        return {
            "replay_failed": self._replays.after_restarts,
            "last_failed": failed.id if failed is not None else None,
        }
