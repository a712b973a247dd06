"""Where a database is, and where it should be. The way there is Alembic's (`migrating.py`).

The rule: Alembic is imported to migrate, and for nothing else. With what it brings, it takes 11 MB
of memory for good, and nearly every start finds a database that is up to date.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from httpprocessproxy.companions.archive.store.database import is_sqlite

# The newest revision: that of the last of `migrations/versions/`.
HEAD: Final = "0003"

# Any number will do, as long as nobody else on the same database takes it.
_LOCK: Final = 7_470_001

_Migrate = Callable[[Connection], None]


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the database up to date. Safe to do from two programs at once. Raises UserError."""
    if await current(engine) != HEAD:
        up, _ = await asyncio.to_thread(_import_migrating)
        await _run(engine, up)


async def downgrade(engine: AsyncEngine) -> None:
    """Take back the last migration, and with it what only it has room for; none is fine.

    Raises UserError.
    """
    if await current(engine) is not None:
        _, down = await asyncio.to_thread(_import_migrating)
        await _run(engine, down)


async def current(engine: AsyncEngine) -> str | None:
    """The revision that the database is at; None: it is empty."""
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        revision: str | None = await connection.scalar(
            text("SELECT version_num FROM alembic_version")
        )
        return revision


async def _run(engine: AsyncEngine, migrate: _Migrate) -> None:
    async with engine.begin() as connection:
        if not is_sqlite(engine):  # there, the transaction itself is the lock
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.run_sync(migrate)


def _import_migrating() -> tuple[_Migrate, _Migrate]:
    """Import it in a thread: beside the proxy, requests go on meanwhile."""
    from httpprocessproxy.companions.archive.store.migrating import down, up

    return up, down
