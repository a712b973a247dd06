"""/proc/net/tcp and tcp6: the table of TCP sockets as text, where sock_diag(7) is not to be had."""

import ipaddress
import sys
from collections.abc import Iterator

from httpprocessproxy.core.http.ip import unmapped
from httpprocessproxy.process.tcp_sockets import LISTEN, End, Socket


def connection(local: End, remote: End) -> Socket | None:
    """The end of a connection that is at `local`."""
    for one in _sockets():
        if one.local == local and one.remote == remote:
            return one
    return None


def listening() -> list[Socket]:
    """Every socket that listens."""
    return [one for one in _sockets() if one.state == LISTEN]


def _sockets() -> Iterator[Socket]:
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(path, encoding="ascii") as table:
                next(table)
                yield from map(_parse, table)
        except FileNotFoundError:
            pass  # No /proc, or a kernel without IPv6.


def _parse(line: str) -> Socket:
    fields = line.split()
    return Socket(_end(fields[1]), _end(fields[2]), int(fields[3], 16), int(fields[9]))


def _end(text: str) -> End:
    # 32-bit words in the byte order of the machine: "0100007F:1F40" is 127.0.0.1:8000.
    address, _, port = text.partition(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return unmapped(ipaddress.ip_address(packed)), int(port, 16)
