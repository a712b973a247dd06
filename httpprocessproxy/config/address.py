"""Addresses of listeners: their text, their hosts, and whether two of them conflict."""

import re
from dataclasses import dataclass, replace

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import parsed_ip

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s\x00:\[\]/@]*):)?(?P<port>[0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a listener: `host` is a name, a bare IP address, or "" for all addresses."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse `PORT` (of localhost), `HOST:PORT`, `:PORT` (all addresses) or `[IPv6]:PORT`.

        Raises UserError.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or not _is_host(match["host"] or ""):
            forms = "write PORT, HOST:PORT, :PORT or [IPv6]:PORT"
            raise UserError(f"not an address: {text[:100]!r} ({forms})")
        host, port = match["host"], int(match["port"])
        if port > 65535:
            raise UserError(f"port out of range: {text!r} (a port is at most 65535)")
        return cls("localhost" if host is None else host.strip("[]"), port)

    @staticmethod
    def is_authority(text: str) -> bool:
        """Whether `text` is `HOST` or `HOST:PORT`."""
        match = _ADDRESS.fullmatch(text) or _ADDRESS.fullmatch(f"{text}:0")
        return match is not None and int(match["port"]) <= 65535 and _is_host(match["host"] or "")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts to listen on or to connect to, in order: `localhost` is one in each family."""
        families = {"localhost": ("127.0.0.1", "::1"), "": ("0.0.0.0", "::")}
        return families.get(self.host, (self.host,))

    def overlaps(self, other: "Address") -> bool:
        """Whether servers at the two addresses would conflict."""
        if self.port != other.port:
            return False
        return any(_overlap(one, two) for one in self.hosts for two in other.hosts)

    @property
    def is_loopback(self) -> bool:
        address = parsed_ip(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)

    @property
    def is_everywhere(self) -> bool:
        """Whether the host stands for all addresses of the machine."""
        return self.host in ("", "0.0.0.0", "::")

    @property
    def reached_hosts(self) -> tuple[str, ...]:
        """The hosts by which this machine reaches a listener, in order."""
        return ("127.0.0.1", "::1") if self.is_everywhere else self.hosts

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        return self.url_of("http")

    def url_of(self, scheme: str) -> str:
        return f"{scheme}://{replace(self, host='localhost') if self.is_everywhere else self}/"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_host(host: str) -> bool:
    """Whether Python's resolver accepts the name; it raises UnicodeError for an invalid label."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _overlap(one: str, two: str) -> bool:
    """Whether two hosts overlap; an unspecified address is every address of its family."""
    return one == two or any(
        everywhere in (one, two) and is_ipv6 == (":" in one) == (":" in two)
        for everywhere, is_ipv6 in (("0.0.0.0", False), ("::", True))
    )
