"""The admin endpoints below `/_hpp/`, and the LiveReload port.

`site.py` serves the API and the dashboard, on the site's origin and on the dashboard's, `events.py`
the script and the WebSocket that reload pages of the backend, `livereload.py` the same for browsers
with the LiveReload extension. All listen on private unix sockets, and the data plane treats each as
one more backend. Each is imported at its first request, because a run may never need it: aiohttp
takes 13 MB and a quarter of a second, websockets 40 ms.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from httpprocessproxy.admin.context import CLIENT, EVENTS, AdminContext
from httpprocessproxy.admin.last_changes import LastChanges
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

if TYPE_CHECKING:
    from httpprocessproxy.admin.events import Events
    from httpprocessproxy.admin.livereload import LiveReload

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
        warn: Callable[[str], None],
    ) -> None:
        """`warn` prints a line for the user."""
        self.livereload_port = 0  # set in the context; 0 without a LiveReload port
        self._config = config
        self._hosts = hosts
        self._context = context
        self._warn = warn
        self._changes = LastChanges()
        self._routed = {service.name for service in config.services if service.routes}
        self._is_outdated = False  # pages show what another generation made
        self._livereload: LiveReload | None = None  # until its first client comes
        self._import_lock = threading.Lock()  # two clients may come at once, at its two sockets
        self._folder = Path()
        self._names: dict[str, str] = {}  # file name -> name to connect to, of each unix socket

    @contextlib.asynccontextmanager
    async def serving(self, replays: Replayer) -> AsyncIterator[None]:
        """Serve until the context is left; pages list and replay requests by `replays`."""
        async with contextlib.AsyncExitStack() as exits:
            self._folder = exits.enter_context(private_folder())
            servers = list(self._servers(replays, exits))
            tasks = await exits.enter_async_context(asyncio.TaskGroup())
            for name, listener, load in servers:
                serving = serve_when_wanted(listener, load)
                exits.callback(tasks.create_task(serving, name=name).cancel)
            exits.enter_context(self._changes.recording(self._context.bus))
            exits.enter_context(self._context.bus.on(StateChanged, self._reload))
            exits.enter_context(self._context.bus.on(Refreshed, self._refresh))
            open_ = exits.pop_all()
        try:
            yield
        finally:
            # The error is not passed on, because a TaskGroup would wrap it into a group.
            await open_.aclose()

    @property
    def clients(self) -> int:
        """The number of pages that listen on the LiveReload WebSocket."""
        return self._livereload.clients if self._livereload is not None else 0

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

    def _import_events(self) -> "Events":
        from httpprocessproxy.admin.events import Events

        return Events(self._config, self._hosts, self._context, self._changes)

    def _import_livereload(self) -> "LiveReload":
        from httpprocessproxy.admin.livereload import LiveReload

        ports = {self._config.listen.bind.port, self._config.browser.livereload_port}
        with self._import_lock:
            if self._livereload is None:
                self._livereload = LiveReload(self._hosts, ports)
        return self._livereload

    def _reload(self, event: StateChanged) -> None:
        # The last of the services that restart together reloads pages, and may be a worker.
        self._is_outdated |= event.service in self._routed and event.state in ("running", "error")
        if event.reloads and self._is_outdated:
            self._is_outdated = False
            if self._livereload is not None:
                self._livereload.reload()

    def _refresh(self, event: Refreshed) -> None:
        if self._livereload is not None:
            self._livereload.refresh(event.paths)

    def _listen(self, name: str, exits: contextlib.AsyncExitStack) -> socket.socket:
        listener = exits.enter_context(listen_on_unix(self._folder / name))
        self._names[name] = exits.enter_context(lasting_name(self._folder / name))
        return listener

    def _servers(
        self, replays: Replayer, exits: contextlib.AsyncExitStack
    ) -> Iterator[tuple[str, socket.socket, Callable[[], Serving]]]:
        """Yield the name, the listening socket and the import of each server."""
        imports: Mapping[str, Callable[[], Serving]] = {
            "site": partial(self._import_site, replays, is_dashboard=False),
            "dashboard": partial(self._import_site, replays, is_dashboard=True),
            "events": lambda: self._import_events().serve,
            "untrusted": lambda: self._import_events().serve_untrusted,
            "tabs": lambda: self._import_events().serve_dashboard,
            "livereload": lambda: self._import_livereload().serve_own,
        }
        for name, import_ in imports.items():
            yield name, self._listen(name, exits), import_
        listeners = self._public_listeners()
        self.livereload_port = self._config.browser.livereload_port if listeners else 0
        for listener in listeners:
            exits.enter_context(listener)
            yield "LiveReload port", listener, lambda: self._import_livereload().serve_public

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
