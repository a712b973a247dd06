"""Where chains may lead to, and errors be told: to what `--forward-allow` names, and nowhere else.

An HTTP origin is written as in a URL; `udp://HOST:PORT`, or HOST:PORT, is where datagrams may go.
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
    return bool(_WEB.match(url))


class Allowlist:
    """`web` is the guard of URLs."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Raises UserError."""
        web: list[FetchOrigin] = []
        datagrams: list[FetchOrigin] = []
        for text in allowed:
            try:
                (web if is_web(text) else datagrams).append(_origin(text))
            except ValueError as error:
                raise UserError(f"--forward-allow: {error}") from None
        self.web = OriginGuard(web)
        # A guard knows no UDP: to this one, http stands for it.
        self._udp = OriginGuard(datagrams)

    def permits(self, text: str) -> None:
        """Raise Refused unless errors may be told there."""
        if is_web(text):
            self.web.permits(text)
        else:
            self._udp_origin(text)

    async def addresses(self, text: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
        """Where to send datagrams for a UDP destination: what is checked is what is used.

        Raises Refused and OSError.
        """
        origin = self._udp_origin(text)
        found = await asyncio.get_running_loop().getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_DGRAM
        )
        # Nobody says whether a datagram has come: of a name's addresses, IPv4 is the likelier.
        family, _, _, _, name = min(found, key=lambda each: each[0] != socket.AF_INET)
        self._udp.permits_address(origin.host, origin.port, str(name[0]))
        return family, (str(name[0]), origin.port)

    def _udp_origin(self, text: str) -> FetchOrigin:
        """Raises Refused."""
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
    """Raises ValueError."""
    if is_web(text):
        return FetchOrigin.parse(text)
    match = _UDP.fullmatch(text)
    if match is None:
        raise ValueError(f"not an http(s) origin, and not udp://HOST:PORT: {text[:100]!r}")
    return FetchOrigin.parse(f"http://{match[1]}")
