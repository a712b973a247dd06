"""The allowlist of origins, and the IP addresses to which their names may resolve. No I/O.

The rule: allowing a name does not allow every address that its name server returns. A name may
resolve to public addresses; a name that no public name server answers for (localhost, a name
without a dot) may also resolve to this machine or a private network. An origin that the user
wrote with an IP address may have any address.
"""

import ipaddress
from collections.abc import Collection

from httpprocessproxy.companions.fetch_client.addresses import is_near, is_public
from httpprocessproxy.companions.fetch_client.origin import FetchOrigin, parse_url


class Refused(Exception):  # noqa: N818 - an expected outcome, not an error
    """The guard refused a request; the text is the reason, one line."""


class OriginGuard:
    """Checks URLs against an allowlist; the addresses of a permitted origin are checked as well."""

    def __init__(self, allowed: Collection[FetchOrigin]) -> None:
        self._allowed = frozenset(allowed)

    def permits(self, url: str) -> None:
        """Raise Refused unless the URL's origin is allowed."""
        try:
            origin = FetchOrigin.of(parse_url(url))
        except ValueError as error:
            raise Refused(str(error)) from None
        self.permits_origin(origin)

    def permits_origin(self, origin: FetchOrigin) -> None:
        """Raise Refused unless the origin is allowed."""
        if origin not in self._allowed:
            raise Refused(f"{origin} is not allowed")

    def permits_address(self, host: str, port: int, address: str) -> None:
        """Raise Refused unless the host of an allowed origin may resolve to this address.

        `host` is in the form of `FetchOrigin.host`, `address` in the form of a resolver's result.
        """
        found = ipaddress.ip_address(address)
        if is_public(found) or (_is_near_name(host) and is_near(found)):
            return
        plain, secure = (FetchOrigin(scheme, str(found), port) for scheme in ("http", "https"))
        if not self._allowed.isdisjoint((plain, secure)):
            return
        raise Refused(f"{host} leads to {found}, which is not public: allow {plain} as well")


def _is_near_name(host: str) -> bool:
    """Whether a name is resolved locally, without public name servers (RFC 6761 section 6.3)."""
    return "." not in host or host.endswith(".localhost")
