"""A visit, and a rendezvous that is new, in memory or over a Redis of its own."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine

from redis.asyncio import Redis

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.relay.memory import Memory
from httpprocessproxy.companions.share.relay.rendezvous import Answering, Rendezvous, VisitDelivery
from httpprocessproxy.companions.share.relay.shared.rendezvous import connect
from httpprocessproxy.companions.share.relay.visit import (
    HeldBody,
    RelayVisit,
    VisitBody,
    VisitRequest,
)

HOST = "host.example.test"
Check = Callable[[Rendezvous], Coroutine[None, None, None]]


def forget(size_bytes: int) -> None:
    """Count nothing."""


def visit(body: VisitBody | None = None, is_tunnel: bool = False) -> RelayVisit:
    head = VisitHead(secrets.token_urlsafe(9), "POST", "/a?b", "::1", [("X-A", "\u00e9")])
    return RelayVisit(VisitRequest(HOST, head, body or HeldBody(b"body"), is_tunnel))


async def take(rendezvous: Rendezvous, *, tunnels: bool = False) -> VisitDelivery:
    """The visit that a worker gets."""
    delivery = await rendezvous.take(HOST, tunnels)
    assert delivery is not None, "none waits"
    return delivery


async def enter_and_take(rendezvous: Rendezvous, one: RelayVisit) -> VisitDelivery:
    """A visit on its way, alone."""
    await rendezvous.enter(one)
    return await take(rendezvous)


async def answering(delivery: VisitDelivery) -> Answering:
    """The right to answer it."""
    right = await delivery.answering()
    assert right is not None, "nobody has had it"
    return right


@contextlib.asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[Rendezvous]:
    if url is None:
        yield Memory(3)
        return
    async with Redis.from_url(url) as redis:
        await redis.flushall()
    async with connect(url, 3, 60.0).open() as shared:
        yield shared
