"""The allowed destinations of hops and of error reports: those that `--forward-allow` names.

A destination is an HTTP origin, written as in a URL, or for datagrams `udp://HOST:PORT` or
HOST:PORT.
"""

import asyncio
import re
import socket
from collections.abc import Iterable
from typing import Final

from httpprocessproxy.companions.fetch_client import FetchOrigin, OriginGuard, Refused
from httpprocessproxy.core.errors import UserError

_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_UDP: Final = re.compile(r"(?:udp://)?([^/?#@\s]+:[0-9]{1,5})/?", re.IGNORECASE)


def is_web(url: str) -> bool:
    """Whether a destination is an HTTP or HTTPS URL, and not a UDP address."""
    return bool(_WEB.match(url))


class Allowlist:
    """The values of `--forward-allow`; `web` is the guard of HTTP and HTTPS URLs."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Parse the destinations. Raises UserError for one that is malformed."""
        web: list[FetchOrigin] = []
        datagrams: list[FetchOrigin] = []
        for text in allowed:
            try:
                (web if is_web(text) else datagrams).append(_origin(text))
            except ValueError as error:
                raise UserError(f"--forward-allow: {error}") from None
        self.web = OriginGuard(web)
        # An OriginGuard has no udp scheme: in this one, http stands for it.
        self._udp = OriginGuard(datagrams)

    def permits(self, text: str) -> None:
        """Raise Refused unless error reports may be sent to this destination."""
        if is_web(text):
            self.web.permits(text)
        else:
            self._udp_origin(text)

    async def addresses(self, text: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
        """Resolve a UDP destination to the address family and the (IP address, port) to send to.

        The guard checks the very address that is returned, so a second look-up cannot replace it.
        Raises Refused, and OSError if the look-up fails.
        """
        origin = self._udp_origin(text)
        found = await asyncio.get_running_loop().getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_DGRAM
        )
        # UDP does not acknowledge a datagram, so the addresses of a name cannot be tried in turn:
        # IPv4 is the likelier to be listened on.
        family, _, _, _, name = min(found, key=lambda each: each[0] != socket.AF_INET)
        self._udp.permits_address(origin.host, origin.port, str(name[0]))
        return family, (str(name[0]), origin.port)

    def _udp_origin(self, text: str) -> FetchOrigin:
        """The origin of an allowed UDP destination. Raises Refused."""
        try:
            origin = _origin(text)
        except ValueError as error:
            raise Refused(str(error)) from None
        try:
            self._udp.permits_origin(origin)
        except Refused:
            raise Refused(f"{text} is not allowed") from None
        return origin


def _origin(text: str) -> FetchOrigin:
    """Parse a destination; a UDP address becomes an http origin. Raises ValueError."""
    if is_web(text):
        return FetchOrigin.parse(text)
    match = _UDP.fullmatch(text)
    if match is None:
        raise ValueError(f"not an http(s) origin, and not udp://HOST:PORT: {text[:100]!r}")
    return FetchOrigin.parse(f"http://{match[1]}")
