"""A backend of minimal cost: WebSocket echo, a sink for uploads, and 200 for other requests.

    python echo.py PORT

It counts bytes and never parses them. In `/echo/N` every message has N bytes and is masked with
the key 0, so its echo is known in advance, and each answer is a slice of prepared frames.
"""

import asyncio
import base64
import hashlib
import re
import socket
import struct
import sys
from collections.abc import Callable
from typing import cast

HOST = "127.0.0.1"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
READ_BYTES = 1 << 20
NO_MASK = bytes(4)


def frame_head(length: int, masked: bool) -> bytes:
    """The head of a binary message (RFC 6455 section 5.2), if `masked` with the key 0."""
    bit = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", 0x82, bit | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x82, bit | 126, length)
    else:
        head = struct.pack("!BBQ", 0x82, bit | 127, length)
    return head + (NO_MASK if masked else b"")


class Echo(asyncio.BufferedProtocol):
    """One connection. `_count` is the present handler of the number of bytes that arrived."""

    def __init__(self) -> None:
        self._buffer = bytearray(READ_BYTES)
        self._head = b""
        self._count: Callable[[int], None] = self._request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not subclass asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._count(nbytes)

    def _request(self, nbytes: int) -> None:
        self._head += self._buffer[:nbytes]
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._head = b""
            self._answer(head, len(rest))

    def _answer(self, head: bytes, already: int) -> None:
        echo = re.match(rb"GET /echo/(\d+) ", head)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if echo:
            self._accept(head, int(echo[1]))
            return
        self._closing = re.search(rb"\r\nconnection: *close", head, re.IGNORECASE) is not None
        if length and int(length[1]) > already:
            self._left = int(length[1]) - already
            self._count = self._sink
        else:
            self._ok()

    def _ok(self) -> None:
        self._count = self._request
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if self._closing:
            self._transport.close()

    def _sink(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left <= 0:
            self._ok()

    def _accept(self, head: bytes, size: int) -> None:
        key = re.search(rb"\r\nsec-websocket-key: *(\S+)", head, re.IGNORECASE)
        accept = base64.b64encode(hashlib.sha1((key[1] if key else b"") + GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._message_bytes = len(frame_head(size, masked=True)) + size
        self._reply = frame_head(size, masked=False) + bytes(size)
        self._left = self._message_bytes
        self._count = self._echo

    def _echo(self, nbytes: int) -> None:
        self._left -= nbytes
        while self._left <= 0:
            self._left += self._message_bytes
            self._transport.write(self._reply)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, HOST, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(int(sys.argv[1])))
    else:
        uvloop.run(serve(int(sys.argv[1])))
