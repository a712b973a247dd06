"""The relay's own pages, on its own host: `/healthz`, `/metrics` and a greeting."""

from collections.abc import Callable

from aiohttp import web

from httpprocessproxy.companions.share.relay.problems import SERVER, page
from httpprocessproxy.companions.share.relay.reading import target_of
from httpprocessproxy.core.page.pages import Problem

_GREETING = Problem(
    200, "A relay", "Servers on other people's desks have their public addresses here."
)
_NOTHING = Problem(404, "Nothing here", "This is the relay's own host.")
_READ_ONLY = Problem(405, "Not here", "These pages can only be read.")

# Returns the metrics and their content type.
Exposition = Callable[[], tuple[bytes, str]]


class RelaySite:
    """Answers requests for the relay itself; without `exposition` there is no `/metrics`."""

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
                return page(request, _GREETING)
            case _:
                return page(request, _NOTHING)

    def _health(self) -> web.Response:
        """200 while visits are accepted. 503 makes a load balancer use another server."""
        is_healthy = self._is_healthy()
        text = b"ok\n" if is_healthy else b"not now\n"
        headers = _headers("text/plain; charset=utf-8")
        return web.Response(status=200 if is_healthy else 503, body=text, headers=headers)


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Cache-Control": "no-store", "Server": SERVER}
