"""`/_hpp/services` and the pages of each service below it, and `POST /_hpp/down`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp import web

from httpprocessproxy.admin.answers import choices, number
from httpprocessproxy.admin.context import AdminContext, AdminService
from httpprocessproxy.admin.states import StateWait, source
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.nearest import nearest
from httpprocessproxy.events import OutputPrinted, members

# The end of the program cuts connections: the response leaves first.
_END_DELAY_S: Final = 0.05
# The pieces of output by which a reader may lag, before its response ends.
_MAX_UNREAD: Final = 10_000


class ServicePages:
    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._bus = context.bus

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_hpp/services", self.get_services)
        router.add_get("/_hpp/services/{name}/status", self.get_status)
        router.add_get("/_hpp/services/{name}/output", self.get_output)
        router.add_post("/_hpp/services/{name}/restart", self.post_restart)
        router.add_post("/_hpp/services/{name}/stop", self.post_stop)
        router.add_post("/_hpp/services/{name}/start", self.post_start)
        router.add_post("/_hpp/down", self.post_down)

    async def get_services(self, request: web.Request) -> web.Response:
        """All services, in order; with `wait`, once each of them is in one of the states."""
        services = list(self._context.services.values())

        def shown() -> Mapping[str, object]:
            return {"run": self._bus.run, "services": [self._shown(each) for each in services]}

        return await StateWait.of(request).response(services, self._bus, shown)

    async def get_status(self, request: web.Request) -> web.Response:
        service = self._find(request)
        shown = partial(self._shown, service)
        return await StateWait.of(request).response([service], self._bus, shown)

    async def post_restart(self, request: web.Request) -> web.Response:
        service = self._find(request)
        wait = replace(StateWait.of(request), after=service.status().generation)
        service.restart(source(request))
        return await self._acted(service, wait)

    async def post_stop(self, request: web.Request) -> web.Response:
        service, wait = self._find(request), StateWait.of(request)
        service.stop(source(request))
        return await self._acted(service, wait)

    async def post_start(self, request: web.Request) -> web.Response:
        service, wait = self._find(request), StateWait.of(request)
        service.start(source(request))
        return await self._acted(service, wait)

    async def _acted(self, service: AdminService, wait: StateWait) -> web.Response:
        return await wait.response_to_action([service], self._bus, partial(self._shown, service))

    async def get_output(self, request: web.Request) -> web.StreamResponse:
        """The end of the output as text, `lines` at most; with `follow=1` also all that follows."""
        service = self._find(request)
        lines = number(request.query.get("lines", "0"), "lines")
        follows = "1" in choices(request.query.get("follow", "0"), "follow", ("0", "1"))
        if not follows:
            return web.Response(text=_last(service.tail(), lines))
        unread: asyncio.Queue[str | None] = asyncio.Queue()
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})

        def on_output(event: OutputPrinted) -> None:
            if event.service == service.config.name and unread.qsize() <= _MAX_UNREAD:
                unread.put_nowait(event.text if unread.qsize() < _MAX_UNREAD else None)

        with self._bus.on(OutputPrinted, on_output):
            text: str | None = _last(service.tail(), lines)
            # The pieces published until here are in the tail, too.
            while not unread.empty():
                unread.get_nowait()
            await response.prepare(request)
            while text is not None:
                if text:
                    await response.write(text.encode(errors="replace"))
                text = await unread.get()
        return response

    async def post_down(self, _: web.Request) -> web.Response:
        """End the program, with all processes of its services."""
        asyncio.get_running_loop().call_later(_END_DELAY_S, self._context.end)
        return web.json_response({"ending": True}, status=202)

    def _find(self, request: web.Request) -> AdminService:
        """Raises RequestError."""
        name, services = request.match_info["name"], self._context.services
        if name in services:
            return services[name]
        meant = nearest(name, services) or f": there are {', '.join(services)}"
        raise RequestError(404, f"no service has the name {name[:100]}{meant}")

    def _shown(self, service: AdminService) -> Mapping[str, object]:
        config = service.config
        return {
            "name": config.name,
            "routes": [str(route) for route in config.routes],
            "url": self._url(service),
            "port": config.address.port if config.has_port else None,
            **members(service.status()),
        }

    def _url(self, service: AdminService) -> str | None:
        """The URL at the proxy; that of the service itself if it has no route."""
        config = service.config
        for route in config.routes:
            if not route.host.startswith("*"):
                return self._context.places.route_url(route.host, route.path)
        return config.address.url if config.has_port else None


def _last(text: str, lines: int) -> str:
    """The last lines of a text; all of it for 0."""
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else text
