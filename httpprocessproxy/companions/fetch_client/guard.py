"""Where requests may go: to origins that the user has allowed, and nowhere else. No I/O.

The rule: allowing a name is not allowing whatever its name server says. A name leads to public
addresses; one that no outsider's name server answers for (localhost, a name without a dot) may
also lead to this machine or a private network. An address that the user wrote out may be any.
"""

import ipaddress
from collections.abc import Collection

from httpprocessproxy.companions.fetch_client.addresses import is_near, is_public
from httpprocessproxy.companions.fetch_client.origin import FetchOrigin, parse_url


class Refused(Exception):  # noqa: N818 - it is no error: the guard has done its work
    """A request that is not made; the text says why in one line."""


class OriginGuard:
    """Says yes or no. What was said yes to is safe to connect to only at checked addresses."""

    def __init__(self, allowed: Collection[FetchOrigin]) -> None:
        self._allowed = frozenset(allowed)

    def permits(self, url: str) -> None:
        """Raise Refused unless it is a URL of an allowed origin."""
        try:
            origin = FetchOrigin.of(parse_url(url))
        except ValueError as error:
            raise Refused(str(error)) from None
        self.permits_origin(origin)

    def permits_origin(self, origin: FetchOrigin) -> None:
        """Raise Refused unless it is allowed."""
        if origin not in self._allowed:
            raise Refused(f"{origin} is not allowed")

    def permits_address(self, host: str, port: int, address: str) -> None:
        """Raise Refused unless a name of an allowed origin may lead to this address.

        `host` is as in an `FetchOrigin`, `address` as a resolver writes it.
        """
        found = ipaddress.ip_address(address)
        if is_public(found) or (_is_near_name(host) and is_near(found)):
            return
        plain, secure = (FetchOrigin(scheme, str(found), port) for scheme in ("http", "https"))
        if not self._allowed.isdisjoint((plain, secure)):
            return
        raise Refused(f"{host} leads to {found}, which is not public: allow {plain} as well")


def _is_near_name(host: str) -> bool:
    """Whether no name server of a stranger has a say in where it leads (RFC 6761 section 6.3)."""
    return "." not in host or host.endswith(".localhost")
