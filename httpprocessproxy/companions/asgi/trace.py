"""What `debug` adds: a line for each request, with the version of HTTP that was negotiated."""

import logging
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.companions.asgi.interface import Application, Receive, Scope, Send

_log = logging.getLogger(__name__)

# What an event says of the answer; the others are not its beginning.
_ANSWERS: Final = {
    "http.response.start": "",
    "websocket.http.response.start": "",
    "websocket.accept": "accepted",
    "websocket.close": "closed",
}


def traced(application: Application) -> Application:
    """The same application, with a line in the log where each of its answers begins.

    A program that has not set logging up is shown the lines on stderr.
    """
    _log.setLevel(logging.INFO)
    if not _log.hasHandlers():
        _log.addHandler(logging.StreamHandler())

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_traced(event: Mapping[str, object]) -> None:
            answer = _ANSWERS.get(str(event["type"]))
            if answer is not None:
                _log.info("%s %s", _request(scope), answer or event["status"])
            await send(event)

        await application(scope, receive, send_traced)

    return call


def _request(scope: Scope) -> str:
    method = scope.get("method", "WebSocket")
    return f"{scope['client']} HTTP/{scope['http_version']} {method} {scope['path']!r}"
