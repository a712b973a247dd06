"""Tickets: a ticket's id permits one download of its items within a limited time.

The rule: of concurrent downloads the database selects one, by a single UPDATE of an unclaimed
ticket.
"""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from httpprocessproxy.companions.archive.items import Order, dump_items, load_items
from httpprocessproxy.companions.archive.store.tables import TicketRow, now

_ID: Final = re.compile("[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket. `created` is in UTC. `client` is the name of its creator."""

    id: str
    order: Order
    client: str
    is_available: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class Tickets:
    """The tickets of a database; tickets older than `ttl_s` seconds are ignored."""

    engine: AsyncEngine
    ttl_s: float

    async def add(self, order: Order, client: str, is_available: bool) -> Ticket:
        """Create a ticket."""
        created = now()
        ticket = Ticket(str(uuid.uuid4()), order, client, is_available, _utc(created))
        row = {
            "id": ticket.id,
            "type": order.type,
            "content": dump_items(order.items),
            "client": client,
            "is_available": is_available,
            "created_at": created,
            "options": json.dumps({"filename": order.filename, "strict": order.strict}),
        }
        async with self.engine.begin() as connection:
            await connection.execute(insert(TicketRow).values(row))
        return ticket

    async def find(self, id_: str) -> Ticket | None:
        """The ticket with this id, if it can still be claimed."""
        if not _ID.fullmatch(id_):  # PostgreSQL rejects texts with a NUL
            return None
        found = await self._select(TicketRow.id == id_)
        return found[0] if found else None

    async def all(self) -> list[Ticket]:
        """All unclaimed tickets, oldest first."""
        return await self._select()

    async def page(self, number: int, size: int) -> tuple[int, list[tuple[str, datetime]]]:
        """The number of tickets, and type and creation time of one page of them, oldest first."""
        async with self.engine.connect() as connection:
            count = await connection.scalar(
                select(func.count()).select_from(TicketRow).where(self._is_ready())
            )
            rows = await connection.execute(
                select(TicketRow.type, TicketRow.created_at)
                .where(self._is_ready())
                .order_by(TicketRow.created_at, TicketRow.id)
                .limit(size)
                .offset((number - 1) * size)
            )
            return count or 0, [(kind, _utc(created)) for kind, created in rows]

    async def make_available(self, id_: str) -> None:
        """Mark a ticket as available: it has waited in the queue."""
        by_id = TicketRow.id == id_
        async with self.engine.begin() as connection:
            await connection.execute(update(TicketRow).where(by_id).values(is_available=True))

    async def claim(self, id_: str) -> bool:
        """Claim an available ticket. Returns True for exactly one of several concurrent calls."""
        is_claimable = (TicketRow.id == id_, TicketRow.is_available.is_(True), self._is_ready())
        async with self.engine.begin() as connection:
            changed = await connection.execute(
                update(TicketRow).where(*is_claimable).values(claimed_at=now())
            )
        return changed.rowcount == 1

    async def drop(self, id_: str) -> None:
        """Delete a ticket, if it exists."""
        await self._delete(TicketRow.id == id_)

    async def drop_all(self) -> None:
        """Delete all tickets."""
        await self._delete()

    async def purge(self) -> int:
        """Delete used and expired tickets, and return their number."""
        return await self._delete(
            or_(TicketRow.claimed_at.is_not(None), TicketRow.created_at <= self._oldest())
        )

    def _oldest(self) -> datetime:
        return now() - timedelta(seconds=self.ttl_s)

    def _is_ready(self) -> ColumnElement[bool]:
        return TicketRow.claimed_at.is_(None) & (TicketRow.created_at > self._oldest())

    async def _select(self, *where: ColumnElement[bool]) -> list[Ticket]:
        wanted = select(TicketRow).where(*where, self._is_ready())
        async with AsyncSession(self.engine) as session:
            rows = await session.scalars(wanted.order_by(TicketRow.created_at, TicketRow.id))
            return [_ticket(row) for row in rows]

    async def _delete(self, *where: ColumnElement[bool]) -> int:
        async with self.engine.begin() as connection:
            return (await connection.execute(delete(TicketRow).where(*where))).rowcount


def _ticket(row: TicketRow) -> Ticket:
    options = json.loads(row.options)
    order = Order(load_items(row.content), row.type, options["filename"], options["strict"])
    return Ticket(row.id, order, row.client, row.is_available, _utc(row.created_at))


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)
