"""Requests on streams, begun as a frontend does, in front of the data plane and a fake backend."""

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Sequence
from typing import Final

from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.frontends.stream_client import StreamClient, StreamHandler
from httpprocessproxy.frontends.streams import Fields, Head
from httpprocessproxy.proxy.exchanges import Interceptor
from test.fakes import OK, Bench, Peer
from test.frontends.ends import RecordingStream
from test.frontends.fronts import handling
from test.loops import eventually

BROWSER: Final = ("192.0.2.1", 50000)
SERVER: Final = ("127.0.0.1", 8443)

ALL: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def asked(
    method: bytes = b"GET",
    fields: Fields = (),
    path: bytes = b"/",
    protocol: bytes | None = None,
    client: tuple[str, int] = BROWSER,
) -> Head:
    return Head("2", method, b"localhost", path, fields, protocol, client, SERVER)


class Streams:
    """A data plane, and the requests that the test has begun."""

    def __init__(self, bench: Bench, handler: StreamHandler) -> None:
        self.bench = bench
        self.backend = bench.backend
        self.pool = bench.proxy_server.context.pool
        self._handler = handler
        self._begun: list[tuple[StreamClient, RecordingStream]] = []

    def begin(self, head: Head | None = None) -> tuple[StreamClient, RecordingStream]:
        """Begin a request whose end the test sends."""
        stream = RecordingStream()
        client = self._handler(head or asked(), stream)
        self._begun.append((client, stream))
        return client, stream

    def get(self, head: Head | None = None) -> tuple[StreamClient, RecordingStream]:
        """Send a request without a body."""
        client, stream = self.begin(head)
        client.end()
        return client, stream

    async def pooled(self) -> Peer:
        """Answer a request, and return its connection, which becomes idle."""
        _, stream = self.get()
        peer, _ = await self.backend.take()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        return peer

    def reset(self) -> None:
        """Reset the streams that are not over, as the end of their connection does."""
        for client, stream in self._begun:
            if stream.why is None:
                client.reset()


@contextlib.asynccontextmanager
async def streaming(
    *,
    trusted: Sequence[Network] = ALL,
    is_open: bool = True,
    receive_bytes: int | None = None,
    injector: Injector | None = None,
    interceptor: Interceptor | None = None,
) -> AsyncIterator[Streams]:
    """Open a data plane for streams. On exit no client, connection or tunnel may be left.

    The parameters are those of `serving`.
    """
    async with handling(
        trusted=trusted,
        is_open=is_open,
        receive_bytes=receive_bytes,
        injector=injector,
        interceptor=interceptor,
    ) as (bench, handler):
        streams = Streams(bench, handler)
        yield streams
        streams.reset()
