"""The hosts under which browsers reach the proxy: the names in its certificate."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from httpprocessproxy.config import Address
from httpprocessproxy.core.http.hosts import DASHBOARD_HOST
from httpprocessproxy.core.http.ip import Ip

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")

# Addresses for documentation (RFC 5737, RFC 3849). A UDP connect() to them sends nothing; it only
# makes the system choose the local address of a route to other networks.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """DNS names, in lower case, and addresses without zones; both sorted, for comparison."""

    dns: tuple[str, ...]
    addresses: tuple[Ip, ...]

    @classmethod
    def of(cls, hosts: Sequence[str]) -> "CertificateNames":
        """Sort hosts into DNS names and addresses."""
        dns, addresses = set(), set()
        for host in hosts:
            try:
                addresses.add(ipaddress.ip_address(host.partition("%")[0]))
            except ValueError:
                dns.add(host.lower())
        return cls(tuple(sorted(dns)), tuple(sorted(addresses, key=lambda ip: (ip.version, ip))))

    def __str__(self) -> str:
        return ", ".join([*self.dns, *map(str, self.addresses)])


def hosts_of(bind: Address, allowed: Sequence[str] = ()) -> list[str]:
    """The hosts under which browsers reach a proxy at `bind`; `allowed` are its `--allowed-host`s.

    A proxy that listens on all addresses is also reached by the machine's names, and by its
    addresses in other networks.
    """
    hosts = ["localhost", "*.localhost", DASHBOARD_HOST, "127.0.0.1", "::1"]
    if bind.is_everywhere:
        hosts += [*_machine_names(), *_addresses()]
    else:
        hosts.append(bind.host)
    for name in allowed:
        bare = name.removeprefix("*").removeprefix(".").strip("[]")
        hosts += [f"*.{bare}"] * (name[:1] in "*." and bool(bare))
        hosts += [bare] * (not name.startswith("*"))
    return hosts


def _machine_names() -> list[str]:
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return [name, short, f"{short}.local"] if short else []


def _addresses() -> list[str]:
    """This machine's addresses for connections to other networks: one of IPv4, one of IPv6."""
    found = []
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue  # no route of this family
    return found


def is_name(host: str) -> bool:
    """Whether a certificate can hold a host: an address, or labels of ASCII (RFC 5280)."""
    labels = host.removeprefix("*.").split(".")
    return ":" in host or (len(host) <= 253 and all(map(_LABEL.fullmatch, labels)))
