"""The LiveReload sockets: who may connect, and the one message that reloads every page.

There are two kinds of door. The proxy's own port (`/_hpp/livereload`) is for its own pages, so
their Origin must be exactly the Host they ask. The LiveReload port (`/livereload`, and
the script `/livereload.js`) is for browser extensions, and for pages that load the script there.
"""

import contextlib
import socket
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Final

from websockets import http11
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from httpprocessproxy.control.assets import livereload_js
from httpprocessproxy.core import livereload
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.hosts import HostRule, parse_origin

_Check = Callable[[ServerConnection, Request], Response | None]

EXTENSIONS: Final = frozenset(("chrome-extension", "moz-extension", "safari-web-extension"))

# A page tells its URL; nothing else that a client sends is longer than a line.
_MAX_MESSAGE_BYTES: Final = 64 * 1024
_PING_INTERVAL_S: Final = 20.0
# Both bound how long a silent client can hold up the end of the program.
_OPEN_TIMEOUT_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 0.5

# Any path reloads the page, unless it looks like a style sheet or an image.
_RELOAD: Final = livereload.reload("/")
_HELLO: Final = livereload.hello()

# A browser sends the cookies of all ports of localhost: more than websockets' 8 KiB a line.
http11.MAX_LINE_LENGTH = 64 * 1024


class LiveReload:
    """Every LiveReload connection, and the pages behind them."""

    def __init__(self, hosts: HostRule, ports: Collection[int]) -> None:
        """`ports`: where pages that use the LiveReload port may come from."""
        self._hosts = hosts
        self._ports = ports
        self._pages: set[ServerConnection] = set()
        self._reloads = 0

    @property
    def clients(self) -> int:
        """The pages that listen; an extension that only asks whether we are there is none."""
        return len(self._pages)

    def reload(self) -> None:
        """Tell every page to reload. A client that does not read holds up nobody."""
        self._reloads += 1
        broadcast(self._pages, _RELOAD)

    async def serve_own(self, listener: socket.socket) -> Server:
        """Serve `/_hpp/livereload` on a unix socket behind the proxy."""
        return await self._serve(listener, self._open_own)

    async def serve_public(self, listener: socket.socket) -> Server:
        """Serve `/livereload` and `/livereload.js` on the LiveReload port."""
        return await self._serve(listener, self._open_public)

    async def _serve(self, listener: socket.socket, check: _Check) -> Server:
        listen = unix_serve if listener.family == socket.AF_UNIX else serve
        return await listen(
            self._talk,
            sock=listener,
            process_request=check,
            compression=None,
            max_size=_MAX_MESSAGE_BYTES,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=_PING_INTERVAL_S,
            server_header=None,
        )

    async def _talk(self, connection: ServerConnection) -> None:
        reloads = self._reloads
        with contextlib.suppress(ConnectionClosed):
            await connection.send(_HELLO)
            async for message in connection:
                hello = livereload.parse(message)
                if hello is None or not hello.is_page:
                    continue
                self._pages.add(connection)
                # A page must not hear of a reload before its hello, nor miss it.
                if reloads != self._reloads:
                    await connection.send(_RELOAD)
        self._pages.discard(connection)

    def _open_own(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a page of another origin; None lets it in."""
        try:
            host, origin = _field(request, "Host"), _field(request, "Origin")
        except RequestError as error:
            return _refuse(connection, error)
        if not self._hosts.allows_origin(origin, host or ""):
            return _refuse(connection, RequestError(403, "this page belongs to another server"))
        return None

    def _open_public(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a plain request or refuse one; None lets a page or an extension in."""
        try:
            self._hosts.check((_field(request, "Host") or "").encode("ascii", "replace"))
            origin = _field(request, "Origin")
        except RequestError as error:
            return _refuse(connection, error)
        path = request.path.partition("?")[0]
        if path == "/livereload.js":
            return _script(connection)
        if path != "/livereload":
            return _refuse(connection, RequestError(404, "not found"))
        if not self._may_listen(origin):
            return _refuse(connection, RequestError(403, "this page belongs to another server"))
        return None

    def _may_listen(self, origin: str | None) -> bool:
        if origin is None:
            return True
        page = parse_origin(origin)
        if page is None:
            return False
        if page.scheme in EXTENSIONS:
            return True
        return page.is_web and page.port in self._ports and self._hosts.allows(page.host)


def _field(request: Request, name: str) -> str | None:
    """Return a field that may be there once. Raises RequestError."""
    values = request.headers.get_all(name)
    if len(values) > 1:
        raise RequestError(400, f"more than one {name}")
    return values[0] if values else None


def _refuse(connection: ServerConnection, error: RequestError) -> Response:
    response = connection.respond(HTTPStatus(error.status), f"{error}\n")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _script(connection: ServerConnection) -> Response:
    response = connection.respond(HTTPStatus.OK, livereload_js().decode())
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/javascript; charset=utf-8"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
