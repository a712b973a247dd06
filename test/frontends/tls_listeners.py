"""A TLS listener in front of a `Bench`, which has the data plane and the backend.

Clients are blocking sockets of the standard library, used in threads.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar, cast

from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.tls.certificates import Identity
from httpprocessproxy.frontends.tls.listener import TlsListener, alt_svc_fields
from test.fakes import Bench, get, serving
from test.tls import TlsWire, make_pair, trusting
from test.wire import Wire

T = TypeVar("T")

BELIEVING = trusting(None)


class Doorway:
    """An open TLS listener, and the bench behind it."""

    def __init__(self, door: TlsListener, bench: Bench, identity: Identity, port: int) -> None:
        self.door = door
        self.bench = bench
        self.identity = identity
        self.port = port
        self._wires: list[Wire] = []

    async def tls(self, *data: bytes, context: ssl.SSLContext = BELIEVING) -> TlsWire:
        """Connect a client, complete the TLS handshake, and send `data`."""
        wire = await asyncio.to_thread(TlsWire.open, self.port, context)
        self._wires.append(wire)
        await asyncio.to_thread(wire.send, *data)
        return wire

    async def plain(self, *data: bytes) -> Wire:
        """Connect a client, and send `data` without TLS."""
        wire = await asyncio.to_thread(Wire.connect, self.port)
        self._wires.append(wire)
        await asyncio.to_thread(wire.send, *data)
        return wire

    def close_wires(self) -> None:
        for wire in self._wires:
            wire.socket.close()


class Http2Stub(asyncio.Protocol):
    """A stub of the HTTP/2 protocol that writes `chosen` and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        chosen = cast(asyncio.Transport, transport)
        chosen.write(b"chosen")
        chosen.close()


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    *,
    new_http2: Callable[[], asyncio.Protocol] = Http2Stub,
    alt_svc: bytes | None = None,
    is_open: bool = True,
) -> AsyncIterator[Doorway]:
    """Open a TLS listener with a certificate that is written to `folder`."""
    identity = Identity(*make_pair(folder))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    async with serving(is_open=is_open) as bench:
        bench.web.connections.responses.hides_alt_svc = True
        fields = alt_svc_fields(alt_svc)
        door = TlsListener(
            identity,
            HostRule((), "localhost"),
            lambda: bench.proxy_server.new_client(fields),
            new_http2,
            fields,
        )
        async with door.serve([listener]):
            doorway = Doorway(door, bench, identity, listener.getsockname()[1])
            try:
                yield doorway
            finally:
                doorway.close_wires()


async def aside(function: Callable[[], T]) -> T:
    """Call a blocking function in a thread."""
    return await asyncio.to_thread(function)


async def served(doorway: Doorway) -> None:
    """Assert that the listener still works: a request is answered."""
    wire = await doorway.tls(get())
    await doorway.bench.backend.serve()
    assert (await aside(wire.response)).status == 200
