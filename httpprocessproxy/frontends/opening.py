"""The front door as a whole: what it is made of, and in which order it opens and closes."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from httpprocessproxy.config import Config
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.bridge import Bridge
from httpprocessproxy.frontends.http2.connection import Http2Connection, drain
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.frontends.tls.certificates import Identity
from httpprocessproxy.frontends.tls.listener import TlsListener, alt_svc_fields
from httpprocessproxy.frontends.tls.trust import chromium_command, trust_command
from httpprocessproxy.proxy import ClientConnection, ProxyServer
from httpprocessproxy.system.listeners import listen_on_unix
from httpprocessproxy.system.private_folders import lasting_name, private_folder

# At the end, for answers that are on their way.
GOODBYE_S: Final = 0.5


@contextlib.asynccontextmanager
async def open_frontends(
    config: Config,
    identity: Identity,
    proxy_server: ProxyServer,
    hosts: HostRule,
    sockets: Sequence[socket.socket],
    dashboard_sockets: Sequence[socket.socket],
    say: Callable[[str], None],
) -> AsyncIterator[Mapping[str, str]]:
    """Serve HTTPS on `sockets`, and `proxy_server` behind it; `say` shows a line. What comes to
    `dashboard_sockets` is for the dashboard.

    Yields what to show the user of it, by names.
    """
    connections: set[Http2Connection] = set()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(identity.watching(say))
        folder = stack.enter_context(private_folder())
        core, dashboard = folder / "core", folder / "dashboard"
        ends = [str(dashboard), *(sock.getsockname()[1] for sock in dashboard_sockets)]
        private = [listen_on_unix(core), listen_on_unix(dashboard)]
        await stack.enter_async_context(proxy_server.serve(private, ends))
        names = [stack.enter_context(lasting_name(path)) for path in (core, dashboard)]
        handler, to_dashboard = [
            await stack.enter_async_context(Bridge(name, proxy_server.peer_over_tls))
            for name in names
        ]
        _warn(identity, say)
        alt_svc = await stack.enter_async_context(_http3(config, identity, handler))

        def new_http2() -> Http2Connection:
            return Http2Connection(handler, connections, alt_svc)

        def new_http2_to_dashboard() -> Http2Connection:
            return Http2Connection(to_dashboard, connections, None)

        stack.push_async_callback(drain, connections, GOODBYE_S)
        fields = alt_svc_fields(alt_svc)
        door = TlsListener(
            identity, hosts, lambda: ClientConnection(proxy_server, fields), new_http2, fields
        )
        # Without Alt-Svc, which would lead to the site.
        dashboard_door = TlsListener(
            identity, hosts, lambda: ClientConnection(proxy_server), new_http2_to_dashboard, b""
        )
        await stack.enter_async_context(dashboard_door.serve(dashboard_sockets))
        await stack.enter_async_context(door.serve(sockets))
        yield _notes(config, identity)


@contextlib.asynccontextmanager
async def _http3(
    config: Config, identity: Identity, handler: Handler
) -> AsyncIterator[bytes | None]:
    """Serve HTTP/3, if it is wanted; yields what leads to it, for responses over TCP."""
    if not config.http3:
        yield None
        return
    # Imported where it is needed: aioquic is an extra of its own.
    from httpprocessproxy.frontends.http3.server import open_http3

    async with open_http3(
        config.bind,
        identity,
        handler,
        alt_svc_port=config.alt_svc_port,
        alt_svc_ma_s=int(config.alt_svc_ma_s),
        drain_s=GOODBYE_S,
    ) as http3:
        yield http3.alt_svc


def _warn(identity: Identity, say: Callable[[str], None]) -> None:
    if identity.uncovered:
        say(
            f"no certificate for {', '.join(identity.uncovered)}: our CA is for local names only; "
            "use --tls-cert and --tls-key"
        )


def _notes(config: Config, identity: Identity) -> Mapping[str, str]:
    authority = identity.authority
    whose = str(identity.certificate_file) if authority is None else f"by {authority.name}"
    notes = {"certificate": f"{whose}, until {identity.expires:%Y-%m-%d}"}
    trusting = trust_command(authority) if authority is not None else ""
    if trusting:
        notes["trust"] = f"http-process-proxy --trust asks, and runs this:\n    {trusting}"
    if config.http3:
        command = chromium_command(config.bind, identity.spki_hash)
        notes["HTTP/3"] = (
            f"browsers want a public CA for it; Chromium can do without:\n    {command}"
        )
    return notes
