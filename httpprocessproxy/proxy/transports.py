"""Small facts about sockets that both sides of the data plane need."""

import asyncio
import socket
import struct

from httpprocessproxy.process import peer_is_gone

# SO_LINGER on, for 0 seconds: close() sends RST. Linux and macOS: struct linger is two ints.
_LINGER_NONE = struct.pack("ii", 1, 0)


def is_gone(transport: asyncio.BaseTransport) -> bool | None:
    """Whether the peer has closed its socket; None if that cannot be told."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return None
    return peer_is_gone(transport.get_extra_info("sockname"), peer)


def linger_none(transport: asyncio.BaseTransport) -> None:
    """Make the next close a reset, so that the other side cannot take it for a clean end."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        except OSError:
            pass  # the other side was faster: the connection is gone already
