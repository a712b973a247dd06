"""TCP sockets as the kernel lists them in /proc/net/tcp and tcp6, where sock_diag(7) is missing.

The table holds the sockets of all processes and users in this network namespace.
"""

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.http.ip import Ip, unmapped

End = tuple[Ip, int]  # address and port

# linux/tcp_states.h, the same in sock_diag(7) and /proc/net/tcp.
TIME_WAIT: Final = 0x06
LISTEN: Final = 0x0A


@dataclass(frozen=True, slots=True)
class Socket:
    """A row of the table. `inode` is 0 once no process holds the socket (TIME_WAIT)."""

    local: End
    remote: End
    state: int
    inode: int


def connection(local: End, remote: End) -> Socket | None:
    """The socket of the connection from `local` to `remote`; None if there is none."""
    for one in _sockets():
        if one.local == local and one.remote == remote:
            return one
    return None


def listening() -> list[Socket]:
    """All listening sockets."""
    return [one for one in _sockets() if one.state == LISTEN]


def _sockets() -> Iterator[Socket]:
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(path, encoding="ascii") as table:
                next(table)
                yield from map(_parse, table)
        except FileNotFoundError:
            pass  # Without /proc, or in a kernel without IPv6.


def _parse(line: str) -> Socket:
    fields = line.split()
    return Socket(_end(fields[1]), _end(fields[2]), int(fields[3], 16), int(fields[9]))


def _end(text: str) -> End:
    # 32-bit words in the machine's byte order: "0100007F:1F40" is 127.0.0.1:8000.
    address, _, port = text.partition(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return unmapped(ipaddress.ip_address(packed)), int(port, 16)
