"""An application served on a real port, and clients of each version of HTTP.

After it is closed, no task may remain, and no record in the log that a test does not expect.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from httpprocessproxy.asgi.interface import Application
from httpprocessproxy.asgi.serving import serving, take_place
from httpprocessproxy.config import Address
from test.frontends.http2_client import Http2Client, get
from test.frontends.http3_client import Http3Client, configuration, connected
from test.frontends.http3_fronts import CA, write_certificate
from test.tls import TlsWire, trusting
from test.wire import Headers, TruncatedError

Version = Literal["1.1", "2", "3"]
VERSIONS: Final[tuple[Version, ...]] = ("1.1", "2", "3")


@dataclass
class Reply:
    """A response as a client got it; `was_cut` is True if the client detected a truncation."""

    status: int
    fields: Headers
    body: bytes
    was_cut: bool = False
    trailers: Headers = field(default_factory=list)

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name]


class Served:
    """The server of an application, and its clients, which are closed with it.

    `said` are the lines that the server printed.
    """

    def __init__(self, port: int, said: list[str], stack: contextlib.AsyncExitStack) -> None:
        self.port = port
        self.said = said
        self._stack = stack

    @property
    def host(self) -> bytes:
        return b"localhost:%d" % self.port

    async def http1(self) -> TlsWire:
        wire = await asyncio.to_thread(TlsWire.open, self.port, trusting(None, "http/1.1"))
        self._stack.callback(wire.socket.close)
        return wire

    async def http2(self) -> Http2Client:
        client = await Http2Client.connect(self.port, trusting(None, "h2"))
        self._stack.callback(client.close)
        return client

    async def http3(self) -> Http3Client:
        config = configuration(CA.cert_pem.bytes())
        return await self._stack.enter_async_context(connected(self.port, config))

    async def ask(
        self,
        version: Version,
        target: str = "/",
        *fields: tuple[bytes, bytes],
        method: bytes = b"GET",
        body: bytes = b"",
    ) -> Reply:
        """Send one request on a new connection, and return the response."""
        if version == "1.1":
            return await asyncio.to_thread(
                _ask_http1, await self.http1(), self.host, target, fields, method, body
            )
        client = await (self.http2() if version == "2" else self.http3())
        head = [
            (name, self.host if name == b":authority" else value)
            for name, value in get(target, *fields, method=method)
        ]
        stream_id = await client.ask(head, body)
        was_cut = await client.was_reset(stream_id) is not None
        answer = client.answers[stream_id]
        reply = Reply(0, answer.fields, bytes(answer.body), was_cut, answer.trailers)
        if answer.fields:
            reply.status = answer.status
        return reply


def _ask_http1(
    wire: TlsWire,
    host: bytes,
    target: str,
    fields: tuple[tuple[bytes, bytes], ...],
    method: bytes,
    body: bytes,
) -> Reply:
    lines = [b"%b %b HTTP/1.1" % (method, target.encode()), b"Host: " + host]
    lines += [b"%b: %b" % field for field in fields]
    lines += [b"Content-Length: %d" % len(body)] * bool(body)
    wire.send(b"\r\n".join([*lines, b"", b""]), body)
    message = wire.head()
    try:
        if method != b"HEAD" and message.status not in (204, 304):
            wire._read_body(message, until_end=True)
        was_cut = False
    except TruncatedError:
        was_cut = True
    return Reply(message.status, message.headers, message.body, was_cut, message.trailers)


@contextlib.asynccontextmanager
async def served(
    application: Application, folder: Path, clients: contextlib.AsyncExitStack | None = None
) -> AsyncIterator[Served]:
    """Serve an application with a certificate that is written into `folder`.

    Clients are closed before the server ends, unless the stack `clients` is given to hold them.
    """
    write_certificate(folder)
    place = take_place(Address("127.0.0.1", 0), folder / "cert.pem", folder / "key.pem")
    said: list[str] = []
    before = asyncio.all_tasks()
    async with serving(application, place, said.append), contextlib.AsyncExitStack() as stack:
        yield Served(place.address.port, said, clients or stack)
    assert asyncio.all_tasks() <= before, "tasks are left"
