"""The routes of a service, as an aiohttp application that can be mounted under any prefix."""

from aiohttp import web

from httpprocessproxy.companions.archive.service import answers
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.service.downloading import Downloading
from httpprocessproxy.companions.archive.service.generating import Generating
from httpprocessproxy.companions.archive.service.streaming import Streaming
from httpprocessproxy.companions.archive.service.waiting import Waiting


def application(context: ServiceContext) -> web.Application:
    """The application of a service."""
    origins = context.rules.cors_origins
    app = web.Application(
        middlewares=[answers.error_responses], client_max_size=context.rules.max_json_bytes
    )
    app.on_response_prepare.append(answers.common_fields(origins))
    generating = Generating(context)
    preflight = answers.cross_origin(origins)
    for path, method, handler in (
        ("/ticket", "GET", generating.listing),
        ("/ticket/", "GET", generating.listing),
        ("/ticket/generate", "POST", generating.generate),
        ("/ticket/{id}/download", "GET", Downloading(context).download),
        ("/ticket/{id}/wait", "GET", Waiting(context).wait),
        ("/stream/url/{token}", "GET", Streaming(context).stream),
    ):
        resource = app.router.add_resource(path)
        # Without HEAD: aiohttp would run the handler of GET for it, and use up the ticket.
        resource.add_route(method, handler)
        if origins:
            resource.add_route("OPTIONS", preflight)
    return app
