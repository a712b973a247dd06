"""The listening socket that each generation of the backend inherits (`--socket`).

The proxy binds it once and keeps it open, so connections wait in the kernel's queue while no server
runs, and connections that a server has not accepted survive its end. Each process that holds the
socket may accept: a connection that the proxy takes from the queue never reaches a server.

fcntl(2), listen(2) and shutdown(2) of one process affect all processes that share the socket.
"""

import os
import select
import socket
import struct
from dataclasses import replace
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process.ports import find_free_port
from httpprocessproxy.system.sockets import NO_SUCH_FAMILY, binding

# The descriptor's number in the server: the first one of sd_listen_fds(3).
INHERITED_FD: Final = 3

# The kernel lowers it to its own limit (net.core.somaxconn).
_BACKLOG: Final = 4096

_RESET: Final = struct.pack("ii", 1, 0)


class InheritedSocket:
    """A listening TCP socket at the first of `address.hosts` that this machine can bind."""

    def __init__(self, address: Address) -> None:
        """Bind and listen; port 0 means a free port. Raises UserError."""
        # A port that the kernel chose would be lost when a server shuts the socket down.
        port = address.port or find_free_port(address.hosts)
        self._socket, host = _bound(replace(address, port=port))
        self.address = Address(host, port)
        # Accepted connections inherit TCP_NODELAY. A server that assumes a Unix socket, as uvicorn
        # does, would not set it, and Nagle's algorithm would delay small writes of a response.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.renew()

    @property
    def fd(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket, which frees the port once no server holds it."""
        self._socket.close()

    def renew(self) -> None:
        """Undo the last server's changes: make the socket blocking, and listen again."""
        self._socket.setblocking(True)
        self._socket.listen(_BACKLOG)

    def has_waiting(self) -> bool:
        """Whether a connection waits to be accepted."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def reclaim_unaccepted(self) -> frozenset[tuple[str, int]]:
        """Reset all connections that no server has accepted; return their peer addresses.

        This includes connections that clients have closed, which accept(2) would still return.
        """
        taken: set[tuple[str, int]] = set()
        # `_take_one` makes the socket non-blocking for a moment: spare a running server that.
        while self.has_waiting() and (name := self._take_one()) is not None:
            taken.add(name)
        return frozenset(taken)

    def _take_one(self) -> tuple[str, int] | None:
        # The server may accept the connection first: then a blocking accept would wait for ever.
        was_blocking = os.get_blocking(self.fd)
        self._socket.setblocking(False)
        try:
            connection, name = self._socket.accept()
        except OSError:
            return None
        finally:
            self._socket.setblocking(was_blocking)
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        host, port = name[:2]
        return host, port


def _bound(address: Address) -> tuple[socket.socket, str]:
    """The socket and the host it is bound to: localhost has two. Raises UserError."""
    why: OSError | None = None
    for host in address.hosts:
        try:
            with binding(host, address.port, socket.SOCK_STREAM, is_dual=True) as sock:
                return sock, host
        except OSError as error:
            why = error
        if why.errno not in NO_SUCH_FAMILY:
            break
    assert why is not None, "an address has a host"
    raise UserError(f"--socket: cannot listen on BACKEND {address}: {why.strerror}") from why
