"""Public IP addresses; all others belong to this machine, its network or its cloud provider.

The rule: an address counts as public only if it is known to be. An IPv4 address embedded in an
IPv6 address is classified as the IPv4 address.
Registries: RFC 6890 (special purposes), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4291. No I/O.
"""

import ipaddress
from typing import Final

from httpprocessproxy.core.http.ip import Ip

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

# Private networks that look public by their number, or to the registries of an older Python.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's WireServer, which serves a machine's secrets
        "192.0.0.0/24",  # protocol assignments, including Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b:1::/48",  # local-use NAT64
        "2001::/23",  # protocol assignments, including Teredo
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)


def is_public(address: Ip) -> bool:
    """Whether the address is reachable from the public internet."""
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    # is_global alone is also true for multicast and for some reserved addresses.
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def is_near(address: Ip) -> bool:
    """Whether the address is on this machine or in a private network (RFC 1918, RFC 4193)."""
    if address.is_loopback:
        return True
    return address.is_private and not (
        address.is_link_local
        or address.is_unspecified
        or address.is_reserved
        or address.is_multicast
        or _embedded(address) is not None
    )


def _embedded(address: Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which a gateway or this machine translates an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
