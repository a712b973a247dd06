"""A resolver whose answers are checked: aiohttp connects to what it says, and to nothing else.

The rule: between the check and the connection nobody asks again, so an answer cannot change.
"""

import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from httpprocessproxy.companions.fetch_client.guard import OriginGuard, Refused

# What a resolver does: host, port, family -> addresses. Raises OSError.
Resolve = Callable[[str, int, socket.AddressFamily], Awaitable[list[ResolveResult]]]


class CheckedResolver(AbstractResolver):
    """Leaves out of each answer what the guard does not permit."""

    def __init__(self, guard: OriginGuard, resolve: Resolve | None = None) -> None:
        self._guard = guard
        self._resolve = resolve or _ask_the_system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError, and Refused if nothing is left."""
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
        """There is nothing to give back."""


async def _ask_the_system(
    host: str, port: int, family: socket.AddressFamily
) -> list[ResolveResult]:
    return await ThreadedResolver().resolve(host, port, family)
