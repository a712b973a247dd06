"""The listening socket that each generation of the backend inherits (`--socket`).

It is bound once and stays ours, so connections wait in the kernel's queue while there is no
server, and no server's end is the end of those that it has not accepted. Whoever has the socket
may accept: what we take from the queue, no server has seen or ever will.

What a server does to a socket (fcntl(2), listen(2), shutdown(2)), it does to all who share it.
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

# The number it has in the server: sd_listen_fds(3) has the first there.
INHERITED_FD: Final = 3

# The kernel cuts it down to its own limit.
_BACKLOG: Final = 4096

_RESET: Final = struct.pack("ii", 1, 0)


class InheritedSocket:
    """Listens from when it is made, at the first host of an address that this machine has."""

    def __init__(self, address: Address) -> None:
        """Port 0 takes one that is free. Raises UserError."""
        # One that the kernel chooses would be lost when a server shuts the socket down.
        port = address.port or find_free_port(address.hosts)
        self._socket, host = _bound(replace(address, port=port))
        self.address = Address(host, port)
        # Connections get it from here. A server that takes this for a Unix socket, as uvicorn
        # does, would leave it out, and small pieces of an answer would wait for each other.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.renew()

    @property
    def fd(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Free the port, once no server has it any more."""
        self._socket.close()

    def renew(self) -> None:
        """Undo what the last server has done to it: the next one expects a blocking one."""
        self._socket.setblocking(True)
        self._socket.listen(_BACKLOG)

    def has_waiting(self) -> bool:
        """Whether a connection has not been accepted yet."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def reclaim_unaccepted(self) -> frozenset[tuple[str, int]]:
        """Reset all connections that no server has accepted; return where they came from.

        What clients have closed goes too: the kernel would still show it to the next server.
        """
        taken: set[tuple[str, int]] = set()
        # A server that runs is not to find the socket changed unless there is a reason.
        while self.has_waiting() and (name := self._take_one()) is not None:
            taken.add(name)
        return frozenset(taken)

    def _take_one(self) -> tuple[str, int] | None:
        # It may be accepted by the server at this moment: then there is nothing to wait for.
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
    """The socket and the host that it is bound to, for localhost has two. Raises UserError."""
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
