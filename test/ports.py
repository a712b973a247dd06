"""Free ports for programs that are about to start."""

import errno
import itertools
import os
import random
import socket

# Above well-known ports, and below the kernel's ephemeral ports: tests bind to port 0 all the time,
# and could get a chosen port before its program starts. Parallel processes of pytest-xdist have
# disjoint shares of the range, and so have the two that run.sh starts beside them.
_CHOICE = range(
    10_240 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
    32_000,
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) + 2,
)

_FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)

# Each port is returned once before any is repeated, because a port stays free until its program
# starts. SystemRandom ignores the seed that a test may have set, since other runs choose, too.
_order = itertools.cycle(random.SystemRandom().sample(_CHOICE, len(_CHOICE)))


def free_port() -> int:
    """A port that is free on both loopback addresses, for TCP and UDP.

    The same port is returned again only after all others of this process's share.
    """
    return next(port for port in itertools.islice(_order, 100) if _is_free(port))


def _is_free(port: int) -> bool:
    return all(_can_bind(family, kind, host, port) for family, host in _FAMILIES for kind in _KINDS)


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, host: str, port: int) -> bool:
    try:
        with socket.socket(family, kind) as sock:
            # A TCP connection in TIME_WAIT may still have the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            sock.bind((host, port))
    except OSError as error:
        # On a machine without IPv6, the port is free there.
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
