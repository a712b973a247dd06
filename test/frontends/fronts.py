"""An HTTP/2 frontend, alone or with the data plane behind it.

On exit every connection has to be closed.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import trustme

from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.frontends.http2.connection import Http2Connection
from httpprocessproxy.frontends.stream_client import StreamHandler
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.proxy.exchanges import Interceptor
from test.fakes import LOOPBACK, NO_OTHERS, Bench, OtherService, serving
from test.frontends.ends import RecordingHandler, RecordingSink
from test.frontends.http2_client import Fields, Http2Client
from test.loops import eventually

_CA: Final = trustme.CA()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _CA.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _CA.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    return context


def authority_file(folder: Path) -> Path:
    """Write the CA certificate to a file, for clients that need a path."""
    path = folder / "ca.pem"
    _CA.cert_pem.write_to_path(str(path))
    return path


class Front:
    """A listening HTTP/2 frontend. `bench` has the data plane and the backend."""

    def __init__(self, port: int, connections: set[Http2Connection]) -> None:
        self.port = port
        self.connections = connections
        self.bench: Bench
        self._clients: list[Http2Client] = []

    async def client(
        self, window_bytes: int = 65_535, *, tls: bool = False, preface: bytes | None = None
    ) -> Http2Client:
        context = client_context() if tls else None
        client = await Http2Client.connect(self.port, context, window_bytes, preface)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()

    async def assert_nothing_is_left(self) -> None:
        await eventually(lambda: not self.connections)


@contextlib.asynccontextmanager
async def serving_http2(
    handler: Handler, *, tls: bool = False, alt_svc: bytes | None = None
) -> AsyncIterator[Front]:
    """Serve HTTP/2 in front of `handler`."""
    loop = asyncio.get_running_loop()
    connections: set[Http2Connection] = set()
    server = await loop.create_server(
        lambda: Http2Connection(handler, connections, alt_svc),
        "127.0.0.1",
        ssl=server_context() if tls else None,
    )
    front = Front(server.sockets[0].getsockname()[1], connections)
    try:
        yield front
        front.close_clients()
        await front.assert_nothing_is_left()
    finally:
        front.close_clients()
        server.close()
        for connection in list(connections):
            connection.abort()


@contextlib.asynccontextmanager
async def handling(
    *,
    trusted: Sequence[Network] = LOOPBACK,
    is_open: bool = True,
    receive_bytes: int | None = None,
    injector: Injector | None = None,
    interceptor: Interceptor | None = None,
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[tuple[Bench, StreamHandler]]:
    """Open a data plane, and the handler that passes the requests of streams to it.

    The parameters are those of `serving`.
    """
    async with serving(
        trusted=trusted,
        is_open=is_open,
        receive_bytes=receive_bytes,
        injector=injector,
        interceptor=interceptor,
        others=others,
    ) as bench:
        yield bench, StreamHandler(bench.proxy_server.exchanges)


@contextlib.asynccontextmanager
async def fronting(
    *,
    tls: bool = False,
    alt_svc: bytes | None = None,
    trusted: Sequence[Network] = LOOPBACK,
    is_open: bool = True,
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[Front]:
    """Serve HTTP/2 in front of the data plane and a fake backend."""
    async with (
        handling(trusted=trusted, is_open=is_open, others=others) as (bench, handler),
        serving_http2(handler, tls=tls, alt_svc=alt_svc) as front,
    ):
        front.bench = bench
        yield front


async def begun(
    front: Front, handler: RecordingHandler, fields: Fields, body: bytes | None = b""
) -> tuple[Http2Client, int, RecordingSink]:
    """Send a request; return the client, the stream ID and the sink of the handler."""
    client = await front.client()
    stream_id = await client.ask(fields, body)
    return client, stream_id, await handler.sink()
