"""The relay's own pages, on its own host: `/healthz`, `/metrics` and an index page."""

from collections.abc import Callable

from aiohttp import web

from httpprocessproxy.companions.share.relay.problems import SERVER, page
from httpprocessproxy.companions.share.relay.reading import target_of
from httpprocessproxy.core.page.pages import Problem

_INDEX = Problem(
    200, "A relay", "This relay gives servers on private machines their public addresses."
)
_NOT_FOUND = Problem(404, "Not found", "This is the relay's own host.")
_READ_ONLY = Problem(405, "Method not allowed", "These pages accept GET and HEAD alone.")

# Returns the metrics and their content type.
Exposition = Callable[[], tuple[bytes, str]]


class RelaySite:
    """Answers requests for the relay itself; `/metrics` gets 404 without `exposition`."""

    def __init__(self, is_healthy: Callable[[], bool], exposition: Exposition | None) -> None:
        self._is_healthy = is_healthy
        self._exposition = exposition

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            response = page(request, _READ_ONLY)
            response.headers["Allow"] = "GET, HEAD"
            return response
        match target_of(request).partition("?")[0]:
            case "/healthz":
                return self._health()
            case "/metrics" if self._exposition is not None:
                body, content_type = self._exposition()
                return web.Response(body=body, headers=_headers(content_type))
            case "/":
                return page(request, _INDEX)
            case _:
                return page(request, _NOT_FOUND)

    def _health(self) -> web.Response:
        """200 while visits are accepted, else 503: a load balancer then uses another server."""
        is_healthy = self._is_healthy()
        text = b"ok\n" if is_healthy else b"not now\n"
        headers = _headers("text/plain; charset=utf-8")
        return web.Response(status=200 if is_healthy else 503, body=text, headers=headers)


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Cache-Control": "no-store", "Server": SERVER}
