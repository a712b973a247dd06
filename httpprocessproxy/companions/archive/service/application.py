"""The routes of a service, as an aiohttp application that can be mounted under any prefix."""

from aiohttp import web

from httpprocessproxy.companions.archive.service import answers
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.service.downloading import Downloading
from httpprocessproxy.companions.archive.service.generating import Generating
from httpprocessproxy.companions.archive.service.streaming import Streaming
from httpprocessproxy.companions.archive.service.waiting import Waiting


def application(around: ServiceContext) -> web.Application:
    """Make the application."""
    origins = around.rules.cors_origins
    made = web.Application(
        middlewares=[answers.telling], client_max_size=around.rules.max_json_bytes
    )
    made.on_response_prepare.append(answers.dressing(origins))
    generating = Generating(around)
    preflight = answers.cross_origin(origins)
    for path, method, handler in (
        ("/ticket", "GET", generating.listing),
        ("/ticket/", "GET", generating.listing),
        ("/ticket/generate", "POST", generating.generate),
        ("/ticket/{id}/download", "GET", Downloading(around).download),
        ("/ticket/{id}/wait", "GET", Waiting(around).wait),
        ("/stream/url/{token}", "GET", Streaming(around).stream),
    ):
        resource = made.router.add_resource(path)
        # Never HEAD: aiohttp would answer it by the handler of GET, and the ticket were used up.
        resource.add_route(method, handler)
        if origins:
            resource.add_route("OPTIONS", preflight)
    return made
