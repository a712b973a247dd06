"""A resolver that returns only permitted addresses; aiohttp connects to nothing else.

The rule: a name is not resolved again between the check and the connection, so the address cannot
change in between (DNS rebinding).
"""

import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from httpprocessproxy.companions.fetch_client.guard import OriginGuard, Refused

# A resolver: host, port, family -> addresses. Raises OSError.
Resolve = Callable[[str, int, socket.AddressFamily], Awaitable[list[ResolveResult]]]


class CheckedResolver(AbstractResolver):
    """Removes the addresses that the guard does not permit from each result."""

    def __init__(self, guard: OriginGuard, resolve: Resolve | None = None) -> None:
        self._guard = guard
        self._resolve = resolve or _resolve_by_system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The permitted addresses of a host. Raises OSError, and Refused if none is permitted."""
        permitted: list[ResolveResult] = []
        refusal: Refused | None = None
        for found in await self._resolve(host, port, family):
            try:
                self._guard.permits_address(host.lower().removesuffix("."), port, found["host"])
            except Refused as error:
                refusal = error
            else:
                permitted.append(found)
        if refusal is not None and not permitted:
            raise refusal
        return permitted

    async def close(self) -> None:
        """Required by aiohttp; this resolver holds no resources."""


async def _resolve_by_system(
    host: str, port: int, family: socket.AddressFamily
) -> list[ResolveResult]:
    return await ThreadedResolver().resolve(host, port, family)
