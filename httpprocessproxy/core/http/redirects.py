"""Rewriting of absolute URLs in responses that bypass the proxy (RFC 9110 section 10.2.2).

A backend knows the address it listens on, and speaks plain HTTP. So its redirects may name its own
authority, or, under TLS, `http://` with the authority that the client used. Both become the scheme
and the authority that the client used; any other URL passes unchanged. No I/O.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import DEFAULT_PORTS, parse_authority

# Location (10.2.2), Content-Location (8.7), and Refresh (HTML Living Standard, section 4.2.5.3).
URL_FIELDS: Final = frozenset((b"location", b"content-location", b"refresh"))

# Names of the local machine; a backend may use any of them for itself.
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))

# An absolute URL or a network-path reference (RFC 3986 section 4.2). Refresh begins with a time.
_URL: Final = re.compile(
    rb"""(?P<before>[0-9.\ \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?["']?)?
    (?:(?P<scheme>https?):)?//(?P<authority>[^/?\#\\\s"']*)(?P<rest>.*)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of an exchange: the client's view of the proxy, and the backend's address."""

    scheme: bytes
    authority: bytes
    backend_port: int
    backend_hosts: Collection[str] = ()


def led_back(value: bytes, ends: Ends) -> bytes:
    """Return the value of a field in URL_FIELDS; its URL is rewritten if it bypasses the proxy."""
    url = _URL.fullmatch(value)
    if url is None:
        return value
    try:
        name, port = parse_authority(url["authority"])
        own = parse_authority(ends.authority)
    except RequestError:
        return value
    scheme = (url["scheme"] or ends.scheme).lower()
    hosts = {*_LOOPBACK, *ends.backend_hosts, own[0]}
    is_backend = name in hosts and ends.backend_port == (port or DEFAULT_PORTS[scheme.decode()])
    is_plain = scheme == b"http" and ends.scheme == b"https" and (name, port) == own
    if not (is_backend or is_plain):
        return value
    return b"%b%b://%b%b" % (url["before"] or b"", ends.scheme, ends.authority, url["rest"])
