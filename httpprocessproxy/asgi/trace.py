"""The log of `debug`: one line for each request, with the negotiated version of HTTP."""

import logging
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.asgi.interface import Application, Receive, Scope, Send

_log = logging.getLogger(__name__)

# The events that begin a response, with the text to log; "" stands for the event's status.
_RESULTS: Final = {
    "http.response.start": "",
    "websocket.http.response.start": "",
    "websocket.accept": "accepted",
    "websocket.close": "closed",
}


def traced(application: Application) -> Application:
    """Wrap an application so that a line is logged when each of its responses begins.

    If the program has not configured logging, the lines go to stderr.
    """
    _log.setLevel(logging.INFO)
    if not _log.hasHandlers():
        _log.addHandler(logging.StreamHandler())

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_traced(event: Mapping[str, object]) -> None:
            result = _RESULTS.get(str(event["type"]))
            if result is not None:
                _log.info("%s %s", _request(scope), result or event["status"])
            await send(event)

        await application(scope, receive, send_traced)

    return call


def _request(scope: Scope) -> str:
    method = scope.get("method", "WebSocket")
    return f"{scope['client']} HTTP/{scope['http_version']} {method} {scope['path']!r}"
