"""An application served on one port, TCP and UDP: the listeners, and the order of their start."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.asgi.handler import ApplicationHandler
from httpprocessproxy.asgi.http1 import Http1
from httpprocessproxy.asgi.interface import Application, contained
from httpprocessproxy.asgi.lifespan import lifespan
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends import needs
from httpprocessproxy.frontends.http2.connection import Http2Connection, drain
from httpprocessproxy.frontends.tls.certificate_authority import find_authority
from httpprocessproxy.frontends.tls.certificates import Identity, LocalIdentity
from httpprocessproxy.frontends.tls.listener import TlsListener, alt_svc_fields
from httpprocessproxy.frontends.tls.names import hosts_of
from httpprocessproxy.proxy import listen

# At shutdown, for active requests.
DRAIN_S: Final = 1.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ListenPlace:
    """The listening sockets of an application, their address and the certificate."""

    address: Address
    sockets: Sequence[socket.socket]
    identity: Identity


def take_place(address: Address, certfile: Path | None, keyfile: Path | None) -> ListenPlace:
    """Listen at `address`, with the certificate of the files or else one issued by the local CA.

    Raises UserError.
    """
    address = Address.parse(str(address))  # check it: a caller may pass any host and port
    if certfile is None:
        rule = HostRule((), address.host)
        identity: Identity = LocalIdentity(find_authority(), lambda: hosts_of(address), rule)
    else:
        identity = Identity(certfile, keyfile or certfile)
    try:
        sockets = listen(address)
    except UserError as error:
        raise UserError(str(error).removeprefix("BIND ")) from error
    return ListenPlace(Address(address.host, sockets[0].getsockname()[1]), sockets, identity)


@contextlib.asynccontextmanager
async def serving(
    application: Application, place: ListenPlace, report: Report
) -> AsyncIterator[bool]:
    """Serve an application until the context is left.

    Connections are accepted after the application's startup, and closed before its shutdown.
    `report` prints a line. Yields whether HTTP/3 is served. Raises UserError if the startup fails.
    """
    with _closing(place.sockets):
        async with (
            _tasks() as group,
            lifespan(contained(application), group) as state,
            contextlib.AsyncExitStack() as stack,
        ):
            handler = ApplicationHandler(contained(application), state, group)
            stack.push_async_callback(handler.cancel)
            stack.enter_context(place.identity.watching(report))
            alt_svc = await _enter_http3(stack, place, handler, report)
            http1 = Http1(application, state, alt_svc)
            stack.push_async_callback(http1.drain, DRAIN_S)
            connections: set[Http2Connection] = set()
            stack.push_async_callback(drain, connections, DRAIN_S)

            def new_http2() -> Http2Connection:
                return Http2Connection(handler, connections, alt_svc)

            rule = HostRule(("*",), place.address.host)
            fields = alt_svc_fields(alt_svc)
            listener = TlsListener(place.identity, rule, http1.connection, new_http2, fields)
            await stack.enter_async_context(listener.serve(place.sockets))
            yield alt_svc is not None


async def _enter_http3(
    stack: contextlib.AsyncExitStack,
    place: ListenPlace,
    handler: ApplicationHandler,
    report: Report,
) -> bytes | None:
    """Serve HTTP/3 too, and return the value of Alt-Svc; None, after a report, if that fails."""
    try:
        with needs("HTTP/3", "http3"):
            from httpprocessproxy.frontends.http3.server import open_http3
        http3 = await stack.enter_async_context(
            open_http3(place.address, place.identity, handler, drain_s=DRAIN_S)
        )
    except UserError as error:
        report(f"without HTTP/3: {error}")
        return None
    return http3.alt_svc


@contextlib.contextmanager
def _closing(sockets: Sequence[socket.socket]) -> Iterator[None]:
    try:
        yield
    finally:
        for sock in sockets:
            sock.close()


@contextlib.asynccontextmanager
async def _tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises the first exception of its tasks itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
