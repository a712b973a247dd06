"""Who holds a port, and what has become of the other end of a connection.

The system shows our network namespace only: "nothing there" is never proof that nobody listens,
so `wait_until_free` asks by connecting.
"""

import asyncio
import errno
import ipaddress
import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import canonical, unmapped
from httpprocessproxy.process import linux, proc_net, sock_diag, tree
from httpprocessproxy.process.tcp_sockets import TIME_WAIT, End, Socket

_POLL_MIN_S = 0.001
_POLL_MAX_S = 0.05
# Where a free port is looked for: below those that systems lend to outgoing connections
# (32768 and more on Linux, 49152 on macOS), so that none of these takes it between two starts.
_CHOICE = range(20_000, 32_768)
_TRIES = 100
# To a host that drops packets. On loopback the answer comes at once.
_CONNECT_TIMEOUT_S = 1.0

SocketName = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port; all None where the system does not tell."""

    pid: int | None
    command: str | None
    inode: int | None

    def __str__(self) -> str:
        return "another program" if self.pid is None else f"process {self.pid} ({self.command})"


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


def listening_in_tree(pid: int) -> list[Address]:
    """Where the tree of the child `pid` listens on TCP, as far as the system tells."""
    try:
        listening = sock_diag.listening()
    except OSError:
        listening = proc_net.listening()
    inodes = set[int]().union(*(linux.open_sockets(one.pid) for one in tree.members(pid)))
    ends = {one.local for one in listening if one.inode in inodes}
    return sorted((Address(str(host), port) for host, port in ends), key=lambda one: one.port)


def find_free_port(hosts: Sequence[str]) -> int:
    """A port that nobody has at any of these addresses. Raises UserError."""
    for port in random.sample(_CHOICE, _TRIES):
        if all(_can_bind(host, port) for host in hosts):
            return port
    raise UserError("no free port was found for BACKEND: name one")


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        # Without IPv6, nobody has the port there.
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True


async def wait_until_free(address: Address, timeout_s: float) -> Holder | None:
    """Wait until nobody accepts connections there; None if so, else who still does."""
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + timeout_s, _POLL_MIN_S
    while True:
        found = await accepting(address)
        if not found:
            return None
        if loop.time() >= deadline:
            holder = listener(Address(found[0], address.port))
            return holder or Holder(None, None, None)
        # The kernel tells nobody when a port becomes free.
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_MAX_S)


async def accepting(address: Address) -> list[str]:
    """The hosts of `address` where a connection is accepted, or left to wait in a full queue."""
    return [host for host in address.hosts if await _accepts(host, address.port)]


async def _accepts(host: str, port: int) -> bool:
    loop = asyncio.get_running_loop()
    ip = ""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            ip = await _resolve(host)
            family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                # Leave by a reset: a closed connection would keep the port in TIME_WAIT.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await loop.sock_connect(probe, (ip, port))
                # A free port that the kernel lent to this very socket: it met itself.
                return bool(probe.getsockname() != probe.getpeername())
    except TimeoutError:
        # This machine drops what does not fit into a listener's queue: there is a listener.
        return ip.startswith("127.") or ip == "::1"
    except OSError:
        return False


async def _resolve(host: str) -> str:
    """The address of a host; one that is an address needs no thread to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(infos[0][4][0])
    return host


def peer_is_gone(sock_address: SocketName, peer_address: SocketName) -> bool | None:
    """Whether the peer of our connection, whose FIN has come, has closed its socket.

    False: it has only ended its own sending, and waits for our answer. None: it is on another
    machine, or in a container, and cannot be seen.
    """
    ours, theirs = _end(sock_address), _end(peer_address)
    if not linux.has_proc():
        return None
    end = _connection(theirs, ours)
    if end is not None:
        return end.inode == 0 or end.state == TIME_WAIT
    # Loopback, and an address that is ours, cannot be elsewhere.
    return True if theirs[0].is_loopback or theirs[0] == ours[0] else None


def _connection(local: End, remote: End) -> Socket | None:
    try:
        return sock_diag.connection(local, remote)
    except OSError:  # forbidden, or a kernel without it
        return proc_net.connection(local, remote)


def _listeners(address: Address) -> list[Socket]:
    """The sockets that listen there, those first and alone that listen there in particular."""
    try:
        listening = sock_diag.listening()
    except OSError:
        listening = proc_net.listening()
    here = [one for one in listening if one.local[1] == address.port]
    try:
        hosts = {canonical(host) for host in address.hosts}
    except ValueError:
        return here  # A name: to look it up may take seconds.
    if any(host.is_unspecified for host in hosts):
        return here
    exact = [one for one in here if unmapped(one.local[0]) in hosts]
    return exact or [one for one in here if unmapped(one.local[0]).is_unspecified]


def _end(name: SocketName) -> End:
    return canonical(name[0]), name[1]
