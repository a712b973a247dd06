"""TCP sockets as the system shows them, those of others as well as ours."""

import ipaddress
from dataclasses import dataclass
from typing import Final

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
End = tuple[Ip, int]

# linux/tcp_states.h, the same in sock_diag(7) and /proc/net/tcp.
TIME_WAIT: Final = 0x06
LISTEN: Final = 0x0A


@dataclass(frozen=True, slots=True)
class Socket:
    """`inode` is 0 when no process has it any more."""

    local: End
    remote: End
    state: int
    inode: int


def unmapped(ip: Ip) -> Ip:
    """An IPv4 address as such, also where IPv6 wraps it (RFC 4291 section 2.5.5.2)."""
    return getattr(ip, "ipv4_mapped", None) or ip
