"""Which addresses are the public's: the others are this machine, its network, or its landlord's.

The rule: what is not known to be public is not. An IPv4 address that IPv6 wraps counts as itself.
Registries: RFC 6890 (special purposes), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4291. No I/O.
"""

import ipaddress
from typing import Final

from httpprocessproxy.core.http.ip import Ip

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

# Public by their number, or by what an older Python knows of the registries.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's WireServer, which tells a machine its secrets
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata among them
        "192.88.99.0/24",  # relays of 6to4
        "64:ff9b:1::/48",  # NAT64 of a network's own
        "2001::/23",  # protocol assignments; Teredo among them
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)


def is_public(address: Ip) -> bool:
    """Whether it leads to a machine that anybody can reach."""
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_public(wrapped)
    # is_global alone lets multicast and some of the reserved ones through.
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def is_near(address: Ip) -> bool:
    """Whether it is this machine's, or one of a private network (RFC 1918, RFC 4193)."""
    if address.is_loopback:
        return True
    return address.is_private and not (
        address.is_link_local
        or address.is_unspecified
        or address.is_reserved
        or address.is_multicast
        or _wrapped(address) is not None
    )


def _wrapped(address: Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which a gateway, or this machine, would take it."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
