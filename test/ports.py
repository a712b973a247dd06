"""Ports for programs that are about to start: free, and theirs until they take them."""

import errno
import itertools
import os
import random
import socket

# Above what is anybody's by habit, and below what the kernel gives to those who ask for any port,
# as tests do all the time: it could be the very one, before the program that is to have it starts.
# Processes of pytest-xdist that run side by side have disjoint shares of it.
_CHOICE = range(
    10_240 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
    32_000,
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
)

_FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)

# Each once before any comes again: a port is still free when the next one is asked for. In an
# order of its own, not of a seed that a test may have set: other runs may be choosing as well.
_order = itertools.cycle(random.SystemRandom().sample(_CHOICE, len(_CHOICE)))


def free_port() -> int:
    """A port that nobody has, on either loopback address, over TCP or UDP.

    No other call of this run has the same, until some ten thousand later.
    """
    return next(port for port in itertools.islice(_order, 100) if _is_free(port))


def _is_free(port: int) -> bool:
    return all(_can_bind(family, kind, host, port) for family, host in _FAMILIES for kind in _KINDS)


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, host: str, port: int) -> bool:
    try:
        with socket.socket(family, kind) as sock:
            # Of a connection that has ended there, some rest may be left over TCP.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            sock.bind((host, port))
    except OSError as error:
        # Without IPv6, nobody has the port there.
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
