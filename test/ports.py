"""Ports for programs that are about to start: free, and theirs until they take them."""

import errno
import random
import socket

# Above what is anybody's by habit, and below what the kernel gives to those who ask for any port,
# as tests do all the time: it could be the very one, before the program that is to have it starts.
_CHOICE = range(10_240, 32_000)

_FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)

# Not the one that a test may have seeded: other runs may be choosing as well.
_chance = random.SystemRandom()


def free_port() -> int:
    """A port that nobody has, on either loopback address, over TCP or UDP."""
    return next(port for port in _chance.sample(_CHOICE, 100) if _is_free(port))


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
