"""Sockets bound to every host of an address that the machine has, and connecting sockets."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError

# Errors of a machine without this address family, such as a container without IPv6.
NO_SUCH_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

_BACKLOG: Final = 1024


def on_every_host(
    address: Address, make: Callable[[str, int], socket.socket]
) -> list[socket.socket]:
    """Make one socket for each host of `address`, all on one port; port 0 takes a free one.

    One of two address families may be missing on the machine. Raises OSError, with no socket open.
    """
    sockets: list[socket.socket] = []
    port = address.port
    with contextlib.ExitStack() as opened:
        for host in address.hosts:
            try:
                sockets.append(opened.enter_context(make(host, port)))
            except OSError as error:
                if error.errno in NO_SUCH_FAMILY and len(address.hosts) > 1:
                    continue
                raise
            port = sockets[-1].getsockname()[1]
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, "this machine has no such address")
        opened.pop_all()
    return sockets


@contextlib.contextmanager
def binding(
    host: str, port: int, kind: socket.SocketKind, *, is_dual: bool = False
) -> Iterator[socket.socket]:
    """A socket bound to a name or an address, which stays open unless the context raises.

    `is_dual`: an IPv6 socket accepts IPv4 as well, if that is the system's default. Raises OSError.
    """
    family, _, protocol, _, name = socket.getaddrinfo(
        host, port, type=kind, flags=socket.AI_PASSIVE
    )[0]
    with contextlib.ExitStack() as opened:
        sock = opened.enter_context(socket.socket(family, kind, protocol))
        # Connections of the last run in TIME_WAIT would otherwise block the port for a minute.
        # With UDP, the option would let two processes bind one port and share its datagrams.
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not is_dual:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
        yield sock
        opened.pop_all()


def listen_on(host: str, port: int) -> socket.socket:
    """Listen on an address, or on the IPv4 address of a name. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def cannot_listen(address: Address, error: OSError) -> UserError:
    """The UserError for an OSError of `listen_on`."""
    # create_server adds text to `strerror`; error numbers of getaddrinfo(3) are negative.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return UserError(f"cannot listen on {address}: {reason}")


async def connect(sock: socket.socket, ip: str, port: int) -> None:
    """Connect a non-blocking socket to an IP address. Raises OSError.

    The loopback refuses a port without a listener at once: to see that here costs a sixth of what
    it costs the event loop.
    """
    sock.connect_ex((ip, port))
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
    try:
        await asyncio.get_running_loop().sock_connect(sock, (ip, port))
    except OSError as failure:
        # BSD reports EISCONN for a connect that has completed, Linux success.
        if failure.errno != errno.EISCONN:
            raise
