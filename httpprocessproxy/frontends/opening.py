"""Composition of the frontends: the order in which their parts open and close."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from httpprocessproxy.config import Config
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.http2.connection import Http2Connection, drain
from httpprocessproxy.frontends.stream_client import StreamHandler
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.frontends.tls.certificates import Identity
from httpprocessproxy.frontends.tls.listener import TlsListener, alt_svc_fields
from httpprocessproxy.frontends.tls.trust import chromium_command, trust_command
from httpprocessproxy.proxy import ProxyServer

# The time that open requests get to complete at shutdown.
DRAIN_S: Final = 0.5


@contextlib.asynccontextmanager
async def open_frontends(
    config: Config,
    identity: Identity,
    proxy_server: ProxyServer,
    hosts: HostRule,
    sockets: Sequence[socket.socket],
    dashboard_sockets: Sequence[socket.socket],
    print_line: Callable[[str], None],
) -> AsyncIterator[Mapping[str, str]]:
    """Serve HTTPS on `sockets`, in front of `proxy_server`, until the context is left.

    `dashboard_sockets` accept connections for the dashboard only. `print_line` prints a line on
    the terminal. Yields notes for the start message: label -> text.
    """
    connections: set[Http2Connection] = set()
    handler = StreamHandler(proxy_server.exchanges)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(identity.watching(print_line))
        dashboard_ends = [sock.getsockname()[1] for sock in dashboard_sockets]
        await stack.enter_async_context(proxy_server.serve((), dashboard_ends))
        _warn(identity, print_line)
        alt_svc = await stack.enter_async_context(_http3(config, identity, handler))

        def new_http2() -> Http2Connection:
            return Http2Connection(handler, connections, alt_svc)

        def new_dashboard_http2() -> Http2Connection:
            return Http2Connection(handler, connections, None)

        stack.push_async_callback(drain, connections, DRAIN_S)
        fields = alt_svc_fields(alt_svc)
        listener = TlsListener(
            identity, hosts, lambda: proxy_server.new_client(fields), new_http2, fields
        )
        # The dashboard sends no Alt-Svc: the HTTP/3 port serves the site.
        dashboard_listener = TlsListener(
            identity, hosts, proxy_server.new_client, new_dashboard_http2, b""
        )
        await stack.enter_async_context(dashboard_listener.serve(dashboard_sockets))
        await stack.enter_async_context(listener.serve(sockets))
        yield _notes(config, identity)


@contextlib.asynccontextmanager
async def _http3(
    config: Config, identity: Identity, handler: Handler
) -> AsyncIterator[bytes | None]:
    """Serve HTTP/3 if it is configured. Yields the value of Alt-Svc for responses over TCP."""
    if not config.tls.http3:
        yield None
        return
    # Imported lazily: aioquic belongs to an extra of its own.
    from httpprocessproxy.frontends.http3.server import open_http3

    async with open_http3(
        config.listen.bind,
        identity,
        handler,
        alt_svc_port=config.tls.alt_svc_port,
        alt_svc_ma_s=int(config.tls.alt_svc_ma_s),
        drain_s=DRAIN_S,
    ) as http3:
        yield http3.alt_svc


def _warn(identity: Identity, print_line: Callable[[str], None]) -> None:
    if identity.uncovered:
        print_line(
            f"no certificate for {', '.join(identity.uncovered)}: the local CA is for local names "
            "only; use --tls-cert and --tls-key"
        )


def _notes(config: Config, identity: Identity) -> Mapping[str, str]:
    authority = identity.authority
    source = str(identity.certificate_file) if authority is None else f"by {authority.name}"
    notes = {"certificate": f"{source}, until {identity.expires:%Y-%m-%d}"}
    command = trust_command(authority) if authority is not None else ""
    if command:
        notes["trust"] = f"http-process-proxy --trust asks, and runs this:\n    {command}"
    if config.tls.http3:
        command = chromium_command(config.listen.bind, identity.spki_hash)
        notes["HTTP/3"] = (
            f"browsers require a public CA for HTTP/3; Chromium works with:\n    {command}"
        )
    return notes
