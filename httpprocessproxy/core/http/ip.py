"""IP addresses: one canonical form, and membership in networks. No I/O."""

import ipaddress
from collections.abc import Iterable

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def unmapped(ip: Ip) -> Ip:
    """Return the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)."""
    return getattr(ip, "ipv4_mapped", None) or ip


def parsed_ip(text: str) -> Ip | None:
    """Parse an address; None for other texts, such as host names."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def canonical(text: str) -> Ip:
    """Parse an address, without zone and unmapped. Raises ValueError if it is not an address."""
    return unmapped(ipaddress.ip_address(text.partition("%")[0]))


def is_in(text: str, networks: Iterable[Network]) -> bool:
    """Whether `text` is an address in one of these networks; a host name is in none."""
    ip = parsed_ip(text.partition("%")[0])
    return ip is not None and any(unmapped(ip) in network for network in networks)
