"""UDP sockets with the hosts and port number of the TCP listener, and large buffers for bursts."""

import errno
import logging
import socket
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.sockets import binding, on_every_host

_log = logging.getLogger(__name__)

# 2 MiB is a fifth of a second at 10 MB/s: an event loop that is busy for that long loses nothing.
# The system may allow less; QUIC then retransmits lost packets.
BUFFER_BYTES: Final = 2 * 1024 * 1024


def bind_udp(address: Address) -> list[socket.socket]:
    """Bind on every host of `address`, whose port is not 0. Raises UserError.

    One of the two address families of `localhost` may be unavailable.
    """
    try:
        return on_every_host(address, _bind)
    except OSError as error:
        raise UserError(_cannot_bind(address, error)) from error


def source_towards(address: tuple[str, int], port: int) -> tuple[str, int]:
    """Return the local address that the system chooses for packets to `address`, with `port`."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)  # sends nothing
        except OSError:  # the route has disappeared
            return "::" if family == socket.AF_INET6 else "0.0.0.0", port
        host = probe.getsockname()[0]
    return str(host), port


def _bind(host: str, port: int) -> socket.socket:
    with binding(host, port, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        _make_room(sock)
    return sock


def _make_room(sock: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        size_bytes = sock.getsockopt(socket.SOL_SOCKET, option)
        if size_bytes < BUFFER_BYTES:
            _log.info("UDP buffers have only %d KiB: net.core.[rw]mem_max", size_bytes // 1024)


def _cannot_bind(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"UDP port {address.port} is in use, which HTTP/3 needs beside the TCP port: "
            "choose another port, or end the program that uses it"
        )
    return f"cannot bind UDP on {address}: {error.strerror}"
