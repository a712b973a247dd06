"""Small facts about sockets that both sides of the data plane need."""

import asyncio
import socket
import struct

# SO_LINGER on, for 0 seconds: close() sends RST. Linux and macOS: struct linger is two ints.
_LINGER_NONE = struct.pack("ii", 1, 0)


def linger_none(transport: asyncio.BaseTransport) -> None:
    """Make the next close a reset, so that the other side cannot take it for a clean end."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        except OSError:
            pass  # the other side was faster: the connection is gone already
