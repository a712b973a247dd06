"""The LiveReload WebSockets: access control, and the one message that reloads every page.

There are two listeners. The proxy's own port (`/_hpp/livereload`) is for its own pages, so their
Origin must equal the Host of the request. The LiveReload port (`/livereload`, and the script
`/livereload.js`) is for browser extensions, and for pages that load the script there.
"""

import contextlib
import socket
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from httpprocessproxy.admin import websocket_server
from httpprocessproxy.admin.assets import livereload_js
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import HostRule, parse_origin
from httpprocessproxy.core.page import livereload

EXTENSIONS: Final = frozenset(("chrome-extension", "moz-extension", "safari-web-extension"))

# Any path reloads the page, unless it looks like a style sheet or an image.
_RELOAD: Final = livereload.reload("/")
_HELLO: Final = livereload.hello()


class LiveReload:
    """Every LiveReload connection, and the pages behind them."""

    def __init__(self, hosts: HostRule, ports: Collection[int]) -> None:
        """`ports`: the ports of the origins whose pages may use the LiveReload port."""
        self._hosts = hosts
        self._ports = ports
        self._pages: set[ServerConnection] = set()
        self._reloads = 0

    @property
    def clients(self) -> int:
        """The number of pages that listen; an extension that only probes the port is not one."""
        return len(self._pages)

    def reload(self) -> None:
        """Send every page a reload. A client that does not read delays no other."""
        self._reloads += 1
        broadcast(self._pages, _RELOAD)

    def refresh(self, paths: Collection[str]) -> None:
        """Send every page the paths of changed files that need no restart."""
        self._reloads += 1
        for message in livereload.refresh(paths):
            broadcast(self._pages, message)

    def serve_own(self, listener: socket.socket) -> AbstractAsyncContextManager[None]:
        """Serve `/_hpp/livereload` on a unix socket behind the proxy."""
        return websocket_server.serving(listener, self._talk, self._open_own)

    def serve_public(self, listener: socket.socket) -> AbstractAsyncContextManager[None]:
        """Serve `/livereload` and `/livereload.js` on the LiveReload port."""
        return websocket_server.serving(listener, self._talk, self._open_public)

    async def _talk(self, connection: ServerConnection) -> None:
        reloads = self._reloads
        with contextlib.suppress(ConnectionClosed):
            await connection.send(_HELLO)
            async for message in connection:
                hello = livereload.parse(message)
                if hello is None or not hello.is_page:
                    continue
                self._pages.add(connection)
                # A page must not get a reload before its hello, nor miss one.
                if reloads != self._reloads:
                    await connection.send(_RELOAD)
        self._pages.discard(connection)

    def _open_own(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a page of another origin; None accepts the connection."""
        try:
            websocket_server.check_own_origin(self._hosts, request)
        except RequestError as error:
            return websocket_server.refuse(connection, error)
        return None

    def _open_public(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer or refuse a plain request; None accepts a page or an extension."""
        try:
            host = websocket_server.field(request, "Host") or ""
            self._hosts.check(host.encode("ascii", "replace"))
            origin = websocket_server.field(request, "Origin")
        except RequestError as error:
            return websocket_server.refuse(connection, error)
        path = request.path.partition("?")[0]
        if path == "/livereload.js":
            return websocket_server.answer(connection, request, livereload_js())
        if path != "/livereload":
            return websocket_server.refuse(connection, RequestError(404, "not found"))
        if not self._may_listen(origin):
            return websocket_server.refuse(
                connection, RequestError(403, "this page belongs to another server")
            )
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
