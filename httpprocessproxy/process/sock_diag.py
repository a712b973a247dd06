"""Queries of the kernel's table of TCP sockets by netlink (sock_diag(7)).

/proc/net/tcp lists every connection, and after a load those in TIME_WAIT make it take a tenth of a
second to read. Here the kernel finds a connection by its hash, and lists listeners alone.
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator

from httpprocessproxy.process.tcp_sockets import LISTEN, End, Socket

# linux/netlink.h, linux/sock_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x001, 0x300

# struct nlmsghdr; struct inet_diag_req_v2 up to its id; struct inet_diag_sockid: ports and
# addresses in network order, interface, cookie.
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH")
_ADDRESS_SIZE = 16
_ANY_INTERFACE_AND_COOKIE = struct.pack("=I8s", 0, b"\xff" * 8)

# struct inet_diag_msg: family, state, two bytes, the id, then five words, of which the last is the
# inode.
_ID_AT = 4
_ADDRESSES_AT = _ID_AT + _PORTS.size
_WORDS_AT = _ADDRESSES_AT + 2 * _ADDRESS_SIZE + len(_ANY_INTERFACE_AND_COOKIE)
_WORDS = struct.Struct("=5I")

_ANY_ADDRESS = b"\0" * _ADDRESS_SIZE


def connection(local: End, remote: End) -> Socket | None:
    """The socket of the connection from `local` to `remote`; None if there is none.

    Raises OSError if the kernel does not support or permit the query.
    """
    family = socket.AF_INET if local[0].version == 4 else socket.AF_INET6
    addresses = local[0].packed.ljust(16, b"\0") + remote[0].packed.ljust(16, b"\0")
    identity = _PORTS.pack(local[1], remote[1]) + addresses
    for message in _query(family, 0, 0xFFFFFFFF, identity):
        return _read(message)
    return None


def listening() -> list[Socket]:
    """All listening sockets. Raises OSError if the kernel does not support or permit the query."""
    identity = _PORTS.pack(0, 0) + _ANY_ADDRESS + _ANY_ADDRESS
    return [
        _read(message)
        for family in (socket.AF_INET, socket.AF_INET6)
        for message in _query(family, _DUMP, 1 << LISTEN, identity)
    ]


def _query(family: int, flags: int, states: int, identity: bytes) -> Iterator[bytes]:
    """Yield each `inet_diag_msg` of the kernel's reply."""
    query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, states)
    query += identity + _ANY_INTERFACE_AND_COOKIE
    header = _HEADER.pack(_HEADER.size + len(query), _SOCK_DIAG_BY_FAMILY, _REQUEST | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as netlink:
        netlink.send(header + query)
        while True:
            data = netlink.recv(1 << 16)
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _DONE or (kind == _ERROR and _is_not_found(data)):
                    return
                yield data[_HEADER.size : length]
                if not flags & _DUMP:
                    return
                data = data[(length + 3) & ~3 :]  # NLMSG_ALIGN


def _is_not_found(data: bytes) -> bool:
    (number,) = struct.unpack_from("=i", data, _HEADER.size)
    if -number != errno.ENOENT:
        raise OSError(-number, "sock_diag")
    return True


def _read(message: bytes) -> Socket:
    family, state = message[0], message[1]
    ports = _PORTS.unpack_from(message, _ID_AT)
    size = 4 if family == socket.AF_INET else _ADDRESS_SIZE
    starts = (_ADDRESSES_AT, _ADDRESSES_AT + _ADDRESS_SIZE)
    local, remote = (ipaddress.ip_address(message[at : at + size]) for at in starts)
    inode: int = _WORDS.unpack_from(message, _WORDS_AT)[4]
    return Socket((local, ports[0]), (remote, ports[1]), state, inode)
