"""A bridge to a private socket at which the test acts as the core, byte by byte."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from httpprocessproxy.core.http.forwarded import Peer as Who
from httpprocessproxy.frontends.bridge import Bridge
from httpprocessproxy.frontends.crossing import Crossing
from httpprocessproxy.frontends.streams import Fields, Head
from test.fakes import Peer
from test.frontends.ends import RecordingStream
from test.loops import eventually
from test.wire import Message

BROWSER: Final = ("192.0.2.1", 50000)
SERVER: Final = ("127.0.0.1", 8443)


def asked(
    method: bytes = b"GET",
    fields: Fields = (),
    path: bytes = b"/",
    protocol: bytes | None = None,
    client: tuple[str, int] = BROWSER,
) -> Head:
    return Head("2", method, b"localhost", path, fields, protocol, client, SERVER)


class Core:
    """A fake core that listens, and the bridge that connects to it."""

    def __init__(self, listening: socket.socket) -> None:
        self.bridge: Bridge
        self._listening = listening
        self._peers: list[Peer] = []

    async def accept(self) -> Peer:
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        self._peers.append(Peer(connection))
        return self._peers[-1]

    async def take(self) -> tuple[Peer, Message]:
        """Accept a connection, and read one request."""
        peer = await self.accept()
        return peer, await peer.request()

    def begin(self, head: Head | None = None) -> tuple[Crossing, RecordingStream]:
        """Begin a request whose end the test sends."""
        stream = RecordingStream()
        return self.bridge(head or asked(), stream), stream

    def get(self, head: Head | None = None) -> tuple[Crossing, RecordingStream]:
        """Send a request without a body."""
        crossing, stream = self.begin(head)
        crossing.end()
        return crossing, stream

    async def kept(self) -> Peer:
        """Answer a request, and return its connection, which the bridge keeps."""
        _, stream = self.get()
        peer, _ = await self.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await eventually(lambda: stream.has_ended)
        return peer

    def close(self) -> None:
        self._listening.close()
        for peer in self._peers:
            peer.close()


@contextlib.asynccontextmanager
async def playing_core(*, trusted: bool = True, backlog: int = 128) -> AsyncIterator[Core]:
    """Open a bridge to a fake core. On exit every connection has to be closed."""
    with tempfile.TemporaryDirectory(prefix="hpp-") as folder:
        path = str(Path(folder) / "core")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(backlog)
        listening.setblocking(False)
        core = Core(listening)
        try:
            async with Bridge(path, lambda ip: Who(ip, trusted, b"https")) as bridge:
                core.bridge = bridge
                yield core
            await eventually(lambda: not bridge.connections)
        finally:
            core.close()
