"""Raw sockets that a test drives byte by byte: a client's, a backend's, and one that listens."""

import asyncio
import contextlib
import re
import socket
import struct
from typing import Self

from test.loops import turn
from test.wire import Headers, Message, TruncatedError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One end of a connection, driven byte by byte. It parses as strictly as `test.wire.Wire`."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self.unread = b""
        self.was_reset = False
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: tuple[str, int], receive_bytes: int | None = None) -> Self:
        """Connect; `receive_bytes` limits the kernel's receive buffer."""
        connection = socket.socket()
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer = cls(connection)
        await asyncio.get_running_loop().sock_connect(connection, address)
        return peer

    async def send(self, *data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, b"".join(data))

    def send_some(self, data: bytes) -> int:
        """Send as many bytes as the kernel accepts without blocking; return their number."""
        with contextlib.suppress(BlockingIOError):
            return self.socket.send(data)
        return 0

    async def send_until_stuck(self, data: bytes) -> int:
        """Send repeatedly until the other side stops reading; return the number of bytes sent."""
        sent = idle = 0
        while idle < 30:
            size = self.send_some(data)
            sent += size
            idle = 0 if size else idle + 1
            if not size:
                await turn()
        return sent

    def finish(self) -> None:
        """Half-close: end the sending side, and keep reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def more(self) -> bool:
        """Wait for bytes; False at the end of the connection, whether closed or reset."""
        try:
            data = await self._loop.sock_recv(self.socket, 256 * 1024)
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            return False
        self.unread += data
        return bool(data)

    async def until(self, end: bytes) -> bytes:
        while end not in self.unread:
            if not await self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread.split(end, 1)
        return taken

    async def exactly(self, size_bytes: int) -> bytes:
        while len(self.unread) < size_bytes:
            if not await self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread[:size_bytes], self.unread[size_bytes:]
        return taken

    async def rest(self) -> bytes:
        """Read until the other side closes, and return all bytes."""
        while await self.more():
            pass
        taken, self.unread = self.unread, b""
        return taken

    async def assert_closed(self) -> None:
        """Assert that the other side closes with FIN, without another byte."""
        assert (await self.rest(), self.was_reset) == (b"", False)

    async def assert_reset(self) -> None:
        """Assert that the other side resets, so that the bytes received cannot pass as complete."""
        assert (await self.rest(), self.was_reset) == (b"", True)

    async def head(self) -> Message:
        first, *lines = (await self.until(b"\r\n\r\n")).split(b"\r\n")
        return Message(first, _fields(lines))

    async def request(self) -> Message:
        """Read a whole request, body included."""
        message = await self.head()
        await self._read_body(message)
        return message

    async def response(self, method: str = "GET") -> Message:
        """Read a whole response, which must be framed by a length or chunks."""
        message = await self.head()
        if method != "HEAD" and message.status not in (101, 204, 304) and message.status >= 200:
            assert message.get(b"Content-Length") or message.get(b"Transfer-Encoding")
            await self._read_body(message)
        return message

    async def _read_body(self, message: Message) -> None:
        length = message.get(b"Content-Length")
        if length is not None:
            assert re.fullmatch(rb"[0-9]+", length)
            message.body = await self.exactly(int(length))
        elif message.get(b"Transfer-Encoding"):
            while size := int(await self.until(b"\r\n"), 16):
                message.body += await self.exactly(size)
                assert await self.exactly(2) == b"\r\n"
            assert await self.until(b"\r\n") == b""


def _fields(lines: list[bytes]) -> Headers:
    pairs = [line.partition(b":") for line in lines]
    assert all(name and colon for name, colon, _ in pairs), f"not all are fields: {lines}"
    return [(name, value.strip()) for name, _, value in pairs]


class Listener:
    """A backend's listening socket: the test accepts, reads and answers."""

    def __init__(
        self,
        backlog: int = 128,
        receive_bytes: int | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.bind((host, port))
        self.socket.listen(backlog)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self._peers: list[Peer] = []

    async def accept(self) -> Peer:
        connection, _ = await asyncio.get_running_loop().sock_accept(self.socket)
        self._peers.append(Peer(connection))
        return self._peers[-1]

    async def take(self) -> tuple[Peer, Message]:
        """Take one request on a new connection."""
        peer = await self.accept()
        return peer, await peer.request()

    async def serve(self, answer: bytes = OK) -> tuple[Peer, Message]:
        """Take one request on a new connection, and answer it."""
        peer, request = await self.take()
        await peer.send(answer)
        return peer, request

    def close(self) -> None:
        self.socket.close()
        for peer in self._peers:
            peer.close()
