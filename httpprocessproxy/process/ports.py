"""Who holds a port, and what has become of the other end of a connection.

Read from /proc/net/tcp and tcp6, which show our network namespace only: "nothing there" is
never proof that nobody listens, so `wait_until_free` asks by connecting.
"""

import asyncio
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from httpprocessproxy.config import Address
from httpprocessproxy.process import linux, tree

_POLL_MIN_S = 0.001
_POLL_MAX_S = 0.05
# To a host that drops packets. On loopback the answer comes at once.
_CONNECT_TIMEOUT_S = 1.0

_FIN_WAIT_1, _FIN_WAIT_2, _TIME_WAIT, _LISTEN = 0x04, 0x05, 0x06, 0x0A

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
SocketName = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port; all None where the system does not tell."""

    pid: int | None
    command: str | None
    inode: int | None

    def __str__(self) -> str:
        return "another program" if self.pid is None else f"process {self.pid} ({self.command})"


@dataclass(frozen=True, slots=True)
class _Socket:
    local: tuple[Ip, int]
    remote: tuple[Ip, int]
    state: int
    # 0 when no process has it any more.
    inode: int


def listener(address: Address) -> Holder | None:
    """Who listens where a server at `address` would get in their way.

    A listener on all addresses gets in everybody's way. None if there is none to be seen.
    """
    for found in _listeners(address):
        process = linux.holder_of(found.inode)
        if process is not None:
            return Holder(process.pid, process.command, found.inode)
        return Holder(None, None, found.inode)
    return None


def listens_in_tree(address: Address, pid: int) -> bool | None:
    """Whether it is the tree of the child `pid` that a connection to `address` reaches.

    None if that cannot be told: nobody is seen to listen, or a program of another user does.
    """
    found = {candidate.inode for candidate in _listeners(address)}
    if not found:
        return None
    if any(found & linux.open_sockets(process.pid) for process in tree.members(pid)):
        return True
    return False if any(map(linux.holder_of, found)) else None


async def wait_until_free(address: Address, timeout_s: float) -> Holder | None:
    """Wait until nobody accepts connections there; None if so, else who still does."""
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + timeout_s, _POLL_MIN_S
    while True:
        accepting = [host for host in address.hosts if await _accepts(host, address.port)]
        if not accepting:
            return None
        if loop.time() >= deadline:
            holder = listener(Address(accepting[0], address.port))
            return holder or Holder(None, None, None)
        # The kernel tells nobody when a port becomes free.
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_MAX_S)


async def _accepts(host: str, port: int) -> bool:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, name = infos[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setblocking(False)
                # Leave by a reset: a closed connection would keep the port in TIME_WAIT.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await loop.sock_connect(probe, name)
                # A free port that the kernel lent to this very socket: it met itself.
                return bool(probe.getsockname() != probe.getpeername())
    except OSError:
        return False


def peer_is_gone(sock_address: SocketName, peer_address: SocketName) -> bool | None:
    """Whether the peer of our connection, whose FIN has come, has closed its socket.

    False: it has only ended its own sending, and waits for our answer. None: it is on another
    machine, or in a container, and cannot be seen.
    """
    ours, theirs = _canonical(sock_address), _canonical(peer_address)
    if not linux.has_proc():
        return None
    for end in _sockets():
        if end.local == theirs and end.remote == ours:
            return end.inode == 0 or end.state == _TIME_WAIT
    # Loopback, and an address that is ours, cannot be elsewhere.
    return True if theirs[0].is_loopback or theirs[0] == ours[0] else None


def _listeners(address: Address) -> list[_Socket]:
    """The sockets that listen there, those first and alone that listen there in particular."""
    here = [end for end in _sockets() if end.state == _LISTEN and end.local[1] == address.port]
    try:
        hosts = {_canonical((host, 0))[0] for host in address.hosts}
    except ValueError:
        return here  # A name: to look it up may take seconds.
    if any(host.is_unspecified for host in hosts):
        return here
    exact = [end for end in here if end.local[0] in hosts]
    return exact or [end for end in here if end.local[0].is_unspecified]


def _sockets() -> Iterator[_Socket]:
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(path, encoding="ascii") as table:
                next(table)
                yield from map(_parse, table)
        except FileNotFoundError:
            pass  # No /proc, or a kernel without IPv6.


def _parse(line: str) -> _Socket:
    fields = line.split()
    return _Socket(_end(fields[1]), _end(fields[2]), int(fields[3], 16), int(fields[9]))


def _end(text: str) -> tuple[Ip, int]:
    # 32-bit words in the byte order of the machine: "0100007F:1F40" is 127.0.0.1:8000.
    address, _, port = text.partition(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return _unmapped(ipaddress.ip_address(packed)), int(port, 16)


def _canonical(name: SocketName) -> tuple[Ip, int]:
    return _unmapped(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _unmapped(ip: Ip) -> Ip:
    """An IPv4 address as such, also where IPv6 wraps it (RFC 4291 section 2.5.5.2)."""
    return getattr(ip, "ipv4_mapped", None) or ip
