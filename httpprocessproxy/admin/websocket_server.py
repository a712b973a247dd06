"""The common parts of the WebSocket servers: the server, the check of the origin, plain responses.

Each server has one listening socket. Its `Check` answers or refuses a plain request before a
WebSocket is opened.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final

from websockets import http11
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.http11 import Request, Response

from httpprocessproxy.admin.assets import Script
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import HostRule

Check = Callable[[ServerConnection, Request], Response | None]
Talk = Callable[[ServerConnection], Awaitable[None]]

# The longest message of a client has the URL of a page; all others are shorter than a line.
_MAX_MESSAGE_BYTES: Final = 64 * 1024
_PING_INTERVAL_S: Final = 20.0
# Both limit how long a silent client can delay the end of the program.
_OPEN_TIMEOUT_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 0.5

# A browser sends the cookies of all ports of localhost: more than websockets' limit of 8 KiB.
http11.MAX_LINE_LENGTH = 64 * 1024


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, talk: Talk, check: Check) -> AsyncIterator[None]:
    """Serve on a unix or TCP socket while the context is open, and close it at the end.

    `check` runs for each request, `talk` for each WebSocket.
    """
    listen = unix_serve if listener.family == socket.AF_UNIX else serve
    async with listen(
        talk,
        sock=listener,
        process_request=check,
        compression=None,
        max_size=_MAX_MESSAGE_BYTES,
        open_timeout=_OPEN_TIMEOUT_S,
        close_timeout=_CLOSE_TIMEOUT_S,
        ping_interval=_PING_INTERVAL_S,
        server_header=None,
    ):
        yield


def field(request: Request, name: str) -> str | None:
    """Return the value of a header field, or None. Raises RequestError if it is repeated."""
    values = request.headers.get_all(name)
    if len(values) > 1:
        raise RequestError(400, f"more than one {name}")
    return values[0] if values else None


def check_own_origin(hosts: HostRule, request: Request) -> None:
    """Refuse pages of another host; accept clients that are not browsers. Raises RequestError."""
    host, origin = field(request, "Host"), field(request, "Origin")
    if not hosts.allows_origin(origin, host or ""):
        raise RequestError(403, "this page belongs to another server")


def refuse(connection: ServerConnection, error: RequestError) -> Response:
    """Answer with the error's status, and its text in one line."""
    response = connection.respond(HTTPStatus(error.status), f"{error}\n")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def answer(connection: ServerConnection, request: Request, script: Script) -> Response:
    """Answer a GET or HEAD of a script: 200, or 304 (RFC 9110 section 13.1.2)."""
    if request.method not in ("GET", "HEAD"):
        response = refuse(connection, RequestError(405, "method not allowed"))
        response.headers["Allow"] = "GET, HEAD"
        return response
    known = ", ".join(request.headers.get_all("If-None-Match"))
    is_known = script.etag in known or known.strip() == "*"
    response = connection.respond(HTTPStatus.NOT_MODIFIED if is_known else HTTPStatus.OK, "")
    headers = response.headers
    headers["ETag"] = script.etag
    headers["Cache-Control"] = "no-cache"
    headers["X-Content-Type-Options"] = "nosniff"
    del headers["Content-Type"], headers["Content-Length"]
    if not is_known:
        headers["Content-Type"] = "text/javascript; charset=utf-8"
        headers["Content-Length"] = str(len(script.body))
        response.body = script.body if request.method == "GET" else b""
    return response
