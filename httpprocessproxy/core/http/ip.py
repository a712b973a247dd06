"""IP addresses: which are the same however they are written, and where they are. No I/O."""

import ipaddress
from collections.abc import Iterable

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def unmapped(ip: Ip) -> Ip:
    """An IPv4 address as such, also where IPv6 wraps it (RFC 4291 section 2.5.5.2)."""
    return getattr(ip, "ipv4_mapped", None) or ip


def canonical(text: str) -> Ip:
    """An address without its zone, and unmapped. Raises ValueError if it is none."""
    return unmapped(ipaddress.ip_address(text.partition("%")[0]))


def is_in(text: str, networks: Iterable[Network]) -> bool:
    """Whether it is an address in one of these networks; a name, or anything else, is in none."""
    try:
        ip = canonical(text)
    except ValueError:
        return False
    return any(ip in network for network in networks)
