"""The admin endpoints below `/_hpp/`, and the LiveReload port.

`site.py` serves the API and the dashboard, on the site's origin and on the dashboard's, `events.py`
the script and the WebSocket that reload pages of the backend, `livereload.py` the same for browsers
with the LiveReload extension. All listen on private unix sockets, and the data plane treats each as
one more backend. The site is imported at its first request: aiohttp takes 13 MB and a quarter of a
second, and most runs never need it.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from websockets.asyncio.server import Server

from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.events import CLIENT, EVENTS, Events
from httpprocessproxy.admin.livereload import LiveReload
from httpprocessproxy.config import Config
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.events import Refreshed, StateChanged
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.system.listeners import (
    Serving,
    listen_for_livereload,
    listen_on_unix,
    serve_when_wanted,
)
from httpprocessproxy.system.private_folders import lasting_name, private_folder

# The sockets by path, for untrusted and for trusted clients. All other paths go to the site, which
# is for trusted clients only. `Events` has a socket for each kind: it sends secrets to trusted
# clients only.
_FOR_UNTRUSTED: Final[Mapping[bytes, str]] = {
    b"/_hpp/livereload": "livereload",
    b"/_hpp/livereload.js": "site",
    CLIENT.encode(): "untrusted",
    EVENTS.encode(): "untrusted",
}
_FOR_TRUSTED: Final[Mapping[bytes, str]] = {
    b"/_hpp/livereload": "livereload",
    CLIENT.encode(): "events",
    EVENTS.encode(): "events",
}


# On the dashboard's origin, which is for trusted clients only.
_OF_DASHBOARD: Final[Mapping[bytes, str]] = {EVENTS.encode(): "tabs"}


class Admin:
    """The admin endpoints, open while the context of `serving` is."""

    def __init__(
        self,
        config: Config,
        hosts: HostRule,
        context: AdminContext,
        tail: Callable[[str], str],
        warn: Callable[[str], None],
    ) -> None:
        """`tail` returns the end of a service's output; `warn` prints a line for the user."""
        self.livereload_port = 0  # set in the context; 0 without a LiveReload port
        self._config = config
        self._hosts = hosts
        self._context = context
        self._warn = warn
        self._events = Events(config, hosts, context.bus, tail, context.token)
        self._livereload = LiveReload(
            hosts, {config.listen.bind.port, config.browser.livereload_port}
        )
        self._folder = Path()
        self._names: dict[str, str] = {}  # file name -> name to connect to, of each unix socket

    @contextlib.asynccontextmanager
    async def serving(self, replays: Replayer) -> AsyncIterator[None]:
        """Serve until the context is left; pages list and replay requests by `replays`."""
        async with contextlib.AsyncExitStack() as exits:
            self._folder = exits.enter_context(private_folder())
            sites = {
                name: exits.enter_context(self._listen(name, exits))
                for name in ("site", "dashboard")
            }
            tasks = await exits.enter_async_context(asyncio.TaskGroup())
            for name, site in sites.items():
                load = partial(self._import_site, replays, is_dashboard=name == "dashboard")
                exits.callback(tasks.create_task(serve_when_wanted(site, load), name=name).cancel)
            exits.enter_context(self._events.listening())
            exits.enter_context(self._context.bus.on(StateChanged, self._reload))
            exits.enter_context(self._context.bus.on(Refreshed, self._refresh))
            await self._serve_sockets(exits)
            open_ = exits.pop_all()
        try:
            yield
        finally:
            # The error is not passed on, because a TaskGroup would wrap it into a group.
            await open_.aclose()

    @property
    def clients(self) -> int:
        """The number of pages that listen on the LiveReload WebSocket."""
        return self._livereload.clients

    def socket_for(self, target: bytes, trusted: bool, is_dashboard: bool = False) -> str | None:
        """Return the name of the unix socket that serves a target of the dashboard's origin, or
        one of the site's that begins with `/_hpp/`.

        None if the client is untrusted and the target is for trusted clients only.
        """
        path = target.partition(b"?")[0]
        if is_dashboard:
            return self._names[_OF_DASHBOARD.get(path, "dashboard")] if trusted else None
        name = _FOR_TRUSTED.get(path, "site") if trusted else _FOR_UNTRUSTED.get(path)
        return None if name is None else self._names[name]

    def _import_site(self, replays: Replayer, *, is_dashboard: bool) -> Serving:
        from httpprocessproxy.admin.site import serving

        return partial(
            serving,
            hosts=self._hosts,
            context=self._context,
            replays=replays,
            is_dashboard=is_dashboard,
        )

    def _reload(self, event: StateChanged) -> None:
        if event.reloads:
            self._livereload.reload()

    def _refresh(self, event: Refreshed) -> None:
        self._livereload.refresh(event.paths)

    def _listen(self, name: str, exits: contextlib.AsyncExitStack) -> socket.socket:
        listener = listen_on_unix(self._folder / name)
        self._names[name] = exits.enter_context(lasting_name(self._folder / name))
        return listener

    async def _serve_sockets(self, exits: contextlib.AsyncExitStack) -> None:
        servers: list[Server] = []
        exits.push_async_callback(_close, servers)
        for name, serve in (
            ("events", self._events.serve),
            ("untrusted", self._events.serve_untrusted),
            ("tabs", self._events.serve_dashboard),
            ("livereload", self._livereload.serve_own),
        ):
            servers.append(await serve(self._listen(name, exits)))
        listeners = self._public_listeners()
        self.livereload_port = self._config.browser.livereload_port if listeners else 0
        for listener in listeners:
            servers.append(await self._livereload.serve_public(listener))

    def _public_listeners(self) -> list[socket.socket]:
        """Open the LiveReload port, or warn if another program has it."""
        port = self._config.browser.livereload_port
        try:
            return listen_for_livereload(self._config.listen.bind, port) if port else []
        except OSError as error:
            self._warn(
                f"LiveReload port {port}: {os.strerror(error.errno or 0)}; going on without it "
                "(choose another with --livereload-port PORT, or 0 for none)"
            )
            return []


async def _close(servers: list[Server]) -> None:
    # All are closed at once, because each waits for clients that may never answer.
    for server in servers:
        server.close()
    for server in servers:
        await server.wait_closed()
