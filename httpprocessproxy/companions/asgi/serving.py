"""An application on one port, TCP and UDP: what serves it, and in which order it all begins."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.asgi.http1 import Http1
from httpprocessproxy.companions.asgi.interface import Application, contained
from httpprocessproxy.companions.asgi.lifespan import lifespan
from httpprocessproxy.companions.asgi.visits import Visits
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

# At the end, for answers that are on their way.
GOODBYE_S: Final = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ListenPlace:
    """Where an application is to be served: sockets that listen, and who we are there."""

    address: Address
    sockets: Sequence[socket.socket]
    identity: Identity


def take_place(address: Address, certfile: Path | None, keyfile: Path | None) -> ListenPlace:
    """Listen at `address`, by a certificate of files or one of our own. Raises UserError."""
    address = Address.parse(str(address))  # it may have been made of anything
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
async def serving(application: Application, place: ListenPlace, say: Say) -> AsyncIterator[bool]:
    """Serve an application until the context is left; its life is within that of the server.

    `say` shows a line. Yields whether there is HTTP/3. Raises UserError if the application does
    not start.
    """
    with _closing(place.sockets):
        async with (
            _tasks() as group,
            lifespan(contained(application), group) as state,
            contextlib.AsyncExitStack() as stack,
        ):
            visits = Visits(contained(application), state, group)
            stack.push_async_callback(visits.cancel)
            stack.enter_context(place.identity.watching(say))
            alt_svc = await _enter_http3(stack, place, visits, say)
            http1 = Http1(application, state, alt_svc)
            stack.push_async_callback(http1.drain, GOODBYE_S)
            connections: set[Http2Connection] = set()
            stack.push_async_callback(drain, connections, GOODBYE_S)

            def new_http2() -> Http2Connection:
                return Http2Connection(visits, connections, alt_svc)

            rule = HostRule(("*",), place.address.host)
            fields = alt_svc_fields(alt_svc)
            door = TlsListener(place.identity, rule, http1.connection, new_http2, fields)
            await stack.enter_async_context(door.serve(place.sockets))
            yield alt_svc is not None


async def _enter_http3(
    stack: contextlib.AsyncExitStack, place: ListenPlace, visits: Visits, say: Say
) -> bytes | None:
    """Serve HTTP/3 as well, if that is possible; the value of Alt-Svc that leads to it."""
    try:
        with needs("HTTP/3", "http3"):
            from httpprocessproxy.frontends.http3.server import open_http3
        http3 = await stack.enter_async_context(
            open_http3(place.address, place.identity, visits, drain_s=GOODBYE_S)
        )
    except UserError as error:
        say(f"without HTTP/3: {error}")
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
    """A task group that fails as what fails in it, for those who wait outside."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
