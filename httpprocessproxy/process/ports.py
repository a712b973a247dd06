"""TCP ports: the process that listens on one, free ports, and whether a peer has closed.

The kernel's tables cover our network namespace only: the port may be in use without a visible
listener, so `wait_until_free` connects to it.
"""

import asyncio
import errno
import random
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import canonical, parsed_ip, unmapped
from httpprocessproxy.process import linux, sock_diag, tcp_sockets
from httpprocessproxy.process.tcp_sockets import TIME_WAIT, End, Socket
from httpprocessproxy.process.tree import ProcessTree
from httpprocessproxy.system.sockets import connect

_POLL_MIN_S = 0.001
_POLL_MAX_S = 0.05
# The range of chosen ports is below the ephemeral ports of outgoing connections (from 32768 on
# Linux, from 49152 on macOS), so that none of these takes the port between two starts.
_CANDIDATES = range(20_000, 32_768)
_TRIES = 100
# For a host that drops packets. On loopback the result comes at once.
_CONNECT_TIMEOUT_S = 1.0

SocketName = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """A listener of a port: its process and socket; all None if unknown to the system."""

    pid: int | None
    command: str | None
    inode: int | None

    def __str__(self) -> str:
        return "another program" if self.pid is None else f"process {self.pid} ({self.command})"


def listener(address: Address) -> Holder | None:
    """The listener that conflicts with a server at `address`; None if none is visible.

    A listener on all addresses conflicts with every address of that port.
    """
    for found in _listeners(address):
        process = linux.holder_of(found.inode)
        if process is not None:
            return Holder(process.pid, process.command, found.inode)
        return Holder(None, None, found.inode)
    return None


def listens_in_tree(address: Address, tree: ProcessTree, pid: int) -> bool | None:
    """Whether a connection to `address` reaches the tree, with the child `pid`.

    None if that is unknown: no listener is visible, or it belongs to another user.
    """
    found = {candidate.inode for candidate in _listeners(address)}
    if not found:
        return None
    if any(found & linux.open_sockets(process.pid) for process in tree.members(pid)):
        return True
    return False if any(map(linux.holder_of, found)) else None


def listening_in_tree(tree: ProcessTree, pid: int) -> list[Address]:
    """The TCP addresses where the tree, with the child `pid`, listens; sorted by port."""
    try:
        listening = sock_diag.listening()
    except OSError:
        listening = tcp_sockets.listening()
    inodes = set[int]().union(*(linux.open_sockets(one.pid) for one in tree.members(pid)))
    ends = {one.local for one in listening if one.inode in inodes}
    return sorted((Address(str(host), port) for host, port in ends), key=lambda one: one.port)


def find_free_port(hosts: Sequence[str], reserve: Callable[[int], bool] = lambda port: True) -> int:
    """A port that is free at all of these addresses, and that `reserve` accepts.

    Raises UserError.
    """
    for port in random.sample(_CANDIDATES, _TRIES):
        if all(_can_bind(host, port) for host in hosts) and reserve(port):
            return port
    raise UserError("no free port was found for BACKEND: name one")


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        # Without IPv6, the port is free there.
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True


async def wait_until_free(address: Address, timeout_s: float) -> Holder | None:
    """Wait until no listener accepts connections at `address`, for at most `timeout_s` seconds.

    Returns None, or after the timeout the listener.
    """
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + timeout_s, _POLL_MIN_S
    while True:
        found = await accepting(address)
        if not found:
            return None
        if loop.time() >= deadline:
            holder = listener(Address(found[0], address.port))
            return holder or Holder(None, None, None)
        # The kernel has no event for a port that becomes free.
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_MAX_S)


async def accepting(address: Address) -> list[str]:
    """The hosts of `address` where a connection is accepted, or waits for a full backlog."""
    return [host for host in address.hosts if await _accepts(host, address.port)]


async def _accepts(host: str, port: int) -> bool:
    ip = ""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            ip = await _resolve(host)
            family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                # Close with a reset: an ordinary close would keep the port in TIME_WAIT.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await connect(probe, ip, port)
                # A free port may also be this socket's ephemeral one: it then connects to itself.
                return bool(probe.getsockname() != probe.getpeername())
    except TimeoutError:
        # Linux drops a SYN when the listener's backlog is full: on loopback, there is a listener.
        return ip.startswith("127.") or ip == "::1"
    except OSError:
        return False


async def _resolve(host: str) -> str:
    """The first address of a host; an IP address is returned as it is, without a thread."""
    if parsed_ip(host) is not None:
        return host
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return str(infos[0][4][0])


def peer_is_gone(sock_address: SocketName, peer_address: SocketName) -> bool | None:
    """Whether the peer of a connection has closed its socket, after its FIN has arrived.

    False: it has only shut down its sending, and waits for a response. None: it is on another
    machine or in a container, so its socket is not visible.
    """
    ours, theirs = _end(sock_address), _end(peer_address)
    if not linux.has_proc():
        return None
    end = _connection(theirs, ours)
    if end is not None:
        return end.inode == 0 or end.state == TIME_WAIT
    # A peer on loopback, or at our own address, is on this machine: a missing socket is closed.
    return True if theirs[0].is_loopback or theirs[0] == ours[0] else None


def _connection(local: End, remote: End) -> Socket | None:
    try:
        return sock_diag.connection(local, remote)
    except OSError:  # forbidden, or a kernel without sock_diag(7)
        return tcp_sockets.connection(local, remote)


def _listeners(address: Address) -> list[Socket]:
    """The listening sockets that match `address`: the exact ones, else those on all addresses."""
    try:
        listening = sock_diag.listening()
    except OSError:
        listening = tcp_sockets.listening()
    here = [one for one in listening if one.local[1] == address.port]
    try:
        hosts = {canonical(host) for host in address.hosts}
    except ValueError:
        return here  # A host name: its DNS lookup may take seconds.
    if any(host.is_unspecified for host in hosts):
        return here
    exact = [one for one in here if unmapped(one.local[0]) in hosts]
    return exact or [one for one in here if unmapped(one.local[0]).is_unspecified]


def _end(name: SocketName) -> End:
    return canonical(name[0]), name[1]
