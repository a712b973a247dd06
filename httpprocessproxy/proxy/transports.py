"""Socket operations for connections to clients and to the backend."""

import asyncio
import contextlib
import os
import select
import socket
import struct
from typing import Final

from httpprocessproxy.process import peer_is_gone

# SO_LINGER on, for 0 seconds: close() sends RST. Linux and macOS: struct linger is two ints.
_LINGER_NONE = struct.pack("ii", 1, 0)

_PIECE_BYTES: Final = 64 * 1024

# Raised if the peer has closed: the connection is gone, and with uvloop its descriptor is -1.
_GONE = OSError, ValueError

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def is_gone(transport: asyncio.BaseTransport) -> bool | None:
    """Whether the peer has closed its socket; None if that is unknown."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return peer_is_gone(transport.get_extra_info("sockname"), peer)
    sock = transport.get_extra_info("socket")
    return None if sock is None else _has_hung_up(sock.fileno())


def _has_hung_up(fd: int) -> bool:
    """Whether the peer of a Unix socket has closed, even with data still unread."""
    poll = select.poll()
    poll.register(fd, 0)  # POLLHUP is reported in any case
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def linger_none(transport: asyncio.BaseTransport) -> None:
    """Make the next close send RST, so that the peer does not read it as a clean end."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(*_GONE):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)


def quick_ack(transport: asyncio.BaseTransport) -> None:
    """Send a TCP ACK at once for the data read, if more of the same message is expected.

    A peer that writes a message in two pieces may wait for the ACK before the second one (Nagle's
    algorithm, RFC 9293 section 3.7.4), and the kernel delays it by 40 ms on a persistent
    connection. Linux returns to delayed ACKs by itself (tcp(7)), so this applies to one read.
    """
    sock = transport.get_extra_info("socket")
    if _QUICKACK is not None and sock is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(*_GONE):
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def read_rest(transport: asyncio.BaseTransport) -> bytes:
    """Read what has come on a connection that a failed write has ended; in `connection_lost` alone.

    A peer that answers and closes while bytes for it are on their way sends a reset. The next write
    fails then, and event loops close the connection; the answer is still in the receive buffer.
    """
    sock = transport.get_extra_info("socket")
    rest = b""
    if sock is not None:
        with contextlib.suppress(*_GONE), socket.socket(fileno=os.dup(sock.fileno())) as copy:
            while piece := copy.recv(_PIECE_BYTES, socket.MSG_DONTWAIT):
                rest += piece
    return rest


def finish(transport: asyncio.Transport) -> None:
    """Half-close the connection, if the transport supports it."""
    if transport.can_write_eof():
        # asyncio's own loop raises it for a client that has closed while it was not read.
        with contextlib.suppress(OSError):
            transport.write_eof()
