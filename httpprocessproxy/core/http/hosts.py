"""Allow-lists of hosts and of origins (RFC 9110 section 7.2, RFC 6454).

The rule against DNS rebinding: a page of evil.example can point its name at 127.0.0.1, but the
browser still sends `Host: evil.example`. So a host is allowed if no outsider can point it
at this machine (localhost, an IP address, a name without a dot), or if the user named it. No I/O.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.errors import RequestError, UserError
from httpprocessproxy.core.http.ip import parsed_ip, unmapped

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# 253 bytes are the longest name of the DNS; a bracketed address and a port are shorter.
_MAX_HOST_BYTES: Final = 253 + len(":65535")
_HOST: Final = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w-]+(?:\.[\w-]+)*\.?))(?::(?P<port>[0-9]{0,5}))?"
)
_ALLOWED: Final = re.compile(r"\*|(?:\*?\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
# The host reserved for the dashboard, at any port: the port may be forwarded from another one.
DASHBOARD_HOST: Final = "hpp.localhost"
_DASHBOARD: Final = re.compile(rb"hpp\.localhost\.?(?::[0-9]{0,5})?", re.IGNORECASE)

_ORIGIN: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[!-~]+)", re.IGNORECASE)

# A browser uses one or two hosts; this bounds the memory that a hostile client can fill.
_MAX_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a page. `port` is None only for a scheme without a default port."""

    scheme: str
    host: str
    port: int | None

    @property
    def is_web(self) -> bool:
        return self.scheme in DEFAULT_PORTS


class HostRule:
    """The hosts that a request may name, and the origins that may open the proxy's WebSockets."""

    def __init__(self, allowed: Sequence[str], bind_host: str) -> None:
        """Take each `--allowed-host`, and the host to listen on ("" for all interfaces).

        `NAME` allows itself, `.NAME` also its subdomains, `*.NAME` only those, `*` everything.
        Raises UserError.
        """
        names = [_allowed(text) for text in allowed]
        self._everything = "*" in names
        self._suffixes = tuple(name.lstrip("*") for name in names if name.startswith(("*.", ".")))
        self._names = frozenset([*(name.lstrip(".") for name in names), bind_host.lower()])
        self._known: set[bytes] = set()

    def check(self, host: bytes) -> None:
        """Raise RequestError: 400 for a malformed Host, 403 for one that is not allowed."""
        if host in self._known:
            return
        name, _ = parse_authority(host)
        if not self.allows(name):
            raise RequestError(403, _how_to_allow(name))
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.clear()
        self._known.add(host)

    def allows(self, name: str) -> bool:
        """Whether a request may name this host; `name` is as `parse_authority` returns it."""
        bare = name.removesuffix(".")  # the same name, absolute (RFC 1034 section 3.1)
        return (
            self._everything
            or _is_rebinding_safe(name)
            or bare in self._names
            or bare.endswith(self._suffixes)
        )

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Whether a page of `origin` is a page of `host`. No Origin: the client is not a page."""
        if origin is None:
            return True
        page = parse_origin(origin)
        if page is None or not page.is_web:
            return False
        try:
            name, port = parse_authority(host.encode("ascii", "replace"))
        except RequestError:
            return False
        default = DEFAULT_PORTS[page.scheme]
        return (page.host, page.port) == (name, default if port is None else port)


def names_dashboard(host: bytes) -> bool:
    """Whether a Host field names the dashboard, and not the site."""
    return _DASHBOARD.fullmatch(host) is not None


def parse_authority(host: bytes) -> tuple[str, int | None]:
    """Split `uri-host [":" port]` (RFC 9110 section 7.2): a name in lower case or a bare address.

    Stricter than the grammar, which allows percent-encoding and any punctuation in a name: such
    names occur only in attacks. Raises RequestError (400).
    """
    match = _HOST.fullmatch(host) if len(host) <= _MAX_HOST_BYTES else None
    if match is None:
        raise RequestError(400, "malformed Host")
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65535:
        raise RequestError(400, "malformed Host: a port is at most 65535")
    if match["ipv6"] is None:
        return match["name"].decode().lower(), port
    return _ipv6(match["ipv6"].decode()), port


def parse_origin(text: str) -> Origin | None:
    """Parse an Origin field; None for `null` and for a malformed one."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    try:
        host, port = parse_authority(match["authority"].encode())
    except RequestError:
        return None
    return Origin(scheme, host, DEFAULT_PORTS.get(scheme) if port is None else port)


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise RequestError(400, "malformed Host: not an IPv6 address") from None


def _is_rebinding_safe(name: str) -> bool:
    """Whether the address of this host does not depend on an outside name server."""
    if "." not in name and ":" not in name:
        return True
    if name == "localhost." or name.endswith((".localhost", ".localhost.")):
        return True  # RFC 6761 section 6.3
    address = parsed_ip(name)
    # ::ffff:127.0.0.1 is another form of 127.0.0.1: no browser needs it, and filters overlook it.
    return address is not None and unmapped(address) is address


def _allowed(text: str) -> str:
    """Check one `--allowed-host`; a non-ASCII name becomes the IDNA form that browsers send."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise UserError(f"--allowed-host {text!r}: not an IPv6 address") from None
    name = text if text.isascii() else _to_ascii(text)
    if not _ALLOWED.fullmatch(name.lower()):
        raise UserError(f"--allowed-host {text!r}: write NAME, *.NAME or *, without scheme or port")
    return name.lower()


def _to_ascii(text: str) -> str:
    try:
        return text.encode("idna").decode()
    except UnicodeError:
        return text


def _how_to_allow(name: str) -> str:
    # The option stands at the end of a line, so that no full stop is copied with it.
    shown = f"[{name}]" if ":" in name else name.removesuffix(".")
    return f"the host {name!r} is not allowed; to allow it, add:\n--allowed-host {shown}"
