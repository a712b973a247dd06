"""Tickets in SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from httpprocessproxy.companions.archive.items import Order
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.database import opened
from httpprocessproxy.companions.archive.store.tickets import Tickets
from test.loops import run

TTL_S = 1000.0
ORDER = Order((Item("/a", "b", "c", (("D", "\xe9\0"),)),), "zip", 'na"me', True)


@asynccontextmanager
async def tickets_in(db_url: str, ttl_s: float = TTL_S) -> AsyncIterator[Tickets]:
    async with opened(db_url) as engine:
        await schema.upgrade(engine)
        yield Tickets(engine, ttl_s)


def test_found_ticket_equals_the_created_one(db_url: str) -> None:
    async def main() -> None:
        async with tickets_in(db_url) as tickets:
            made = await tickets.add(ORDER, "joe", is_available=False)
            assert made.order == ORDER
            assert await tickets.find(made.id) == made
            assert await tickets.all() == [made]

    run(main())


def test_one_of_many_concurrent_claims_succeeds(db_url: str) -> None:
    """Two engines have separate connections, like two programs."""

    async def main() -> None:
        async with tickets_in(db_url) as one, tickets_in(db_url) as other:
            id_ = (await one.add(ORDER, "joe", is_available=True)).id
            claims = [tickets.claim(id_) for tickets in (one, other) * 4]
            assert sorted(await asyncio.gather(*claims)) == [False] * 7 + [True]
            assert await other.find(id_) is None
            assert await other.all() == []
            assert await other.page(1, 10) == (0, [])
            assert (await one.purge(), await other.purge()) == (1, 0)

    run(main())


def test_waiting_ticket_cannot_be_claimed_until_available(db_url: str) -> None:
    async def main() -> None:
        async with tickets_in(db_url) as tickets:
            id_ = (await tickets.add(ORDER, "joe", is_available=False)).id
            assert not await tickets.claim(id_)
            await tickets.make_available(id_)
            found = await tickets.find(id_)
            assert found is not None
            assert found.is_available
            assert await tickets.claim(id_)

    run(main())


def test_expired_ticket_is_ignored_before_it_is_purged(db_url: str) -> None:
    async def main() -> None:
        async with tickets_in(db_url) as tickets:
            id_ = (await tickets.add(ORDER, "joe", is_available=True)).id
            late = Tickets(tickets.engine, 0)
            assert await late.find(id_) is None
            assert not await late.claim(id_)
            assert await late.page(1, 10) == (0, [])
            assert await tickets.purge() == 0
            assert await late.purge() == 1
            assert await tickets.find(id_) is None

    run(main())


def test_dropped_tickets_disappear_from_pages(db_url: str) -> None:
    async def main() -> None:
        async with tickets_in(db_url) as tickets:
            made = [await tickets.add(ORDER, "joe", is_available=True) for _ in range(3)]
            shown = [("zip", ticket.created) for ticket in made]
            assert await tickets.page(1, 2) == (3, shown[:2])
            assert await tickets.page(2, 2) == (3, shown[2:])
            await tickets.drop(made[1].id)
            await tickets.drop(made[1].id)
            assert await tickets.all() == [made[0], made[2]]
            await tickets.drop_all()
            assert await tickets.all() == []

    run(main())
