"""Rewriting of URLs in responses that bypass the proxy or a route (RFC 9110 section 10.2.2).

A backend knows the address it listens on, and speaks plain HTTP. So its redirects may name its own
authority, or, under TLS, `http://` with the authority that the client used. Both become the scheme
and the authority that the client used; any other URL passes unchanged.

A backend that gets targets without the path of their route may not know it. The paths of its own
URLs get this prefix, unless they begin with it: a backend may read X-Forwarded-Prefix. No I/O.
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

# Any reference; absolute URLs and network-path references have an authority (RFC 3986 section 4.2).
# Refresh begins with a time.
_URL: Final = re.compile(
    rb"""(?P<before>[0-9.\ \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?["']?)?
    (?:(?:(?P<scheme>https?):)?//(?P<authority>[^/?\#\\\s"']*))?(?P<rest>.*)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)

_PATH_END: Final = re.compile(rb"[?#\"']")


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of an exchange: the client's view of the proxy, and the backend's address.

    `prefix` is the part of paths that the backend does not get: see `StrippedRequest`.
    """

    scheme: bytes
    authority: bytes
    backend_port: int
    backend_hosts: Collection[str] = ()
    prefix: bytes = b""


def led_back(value: bytes, ends: Ends) -> bytes:
    """Return the value of a field in URL_FIELDS; its URL is rewritten if it bypasses the proxy."""
    url = _URL.fullmatch(value)
    assert url is not None, "the last group matches anything"
    before = url["before"] or b""
    if url["authority"] is None:
        return before + _prefixed(url["rest"], ends.prefix) if url["rest"][:1] == b"/" else value
    try:
        name, port = parse_authority(url["authority"])
        own = parse_authority(ends.authority)
    except RequestError:
        return value
    scheme = (url["scheme"] or ends.scheme).lower()
    hosts = {*_LOOPBACK, *ends.backend_hosts, own[0]}
    is_backend = name in hosts and ends.backend_port == (port or DEFAULT_PORTS[scheme.decode()])
    is_plain = scheme == b"http" and ends.scheme == b"https" and (name, port) == own
    is_own = bool(ends.prefix) and scheme == ends.scheme and (name, port) == own
    if not (is_backend or is_plain or is_own):
        return value
    rest = _prefixed(url["rest"], ends.prefix)
    return b"%b%b://%b%b" % (before, ends.scheme, ends.authority, rest)


def _prefixed(rest: bytes, prefix: bytes) -> bytes:
    """Return a path, with the query and the fragment after it, below `prefix`."""
    path = _PATH_END.split(rest, 1)[0]
    return rest if path == prefix or path.startswith(prefix + b"/") else prefix + rest
