"""TCP sockets as the system shows them, those of others as well as ours."""

from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.http.ip import Ip

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
