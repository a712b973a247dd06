"""The revision of a database, and its migration to the newest one by Alembic (`migrating.py`).

The rule: Alembic is imported only to migrate. With its dependencies it occupies 11 MB of memory
permanently, and at nearly every start the database is up to date.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from httpprocessproxy.companions.archive.store.database import is_sqlite

# The newest revision, that of the last file of `migrations/versions/`.
HEAD: Final = "0003"

# An arbitrary number that no other program uses for advisory locks of the same database.
_LOCK: Final = 7_470_001

_Migrate = Callable[[Connection], None]


async def upgrade(engine: AsyncEngine) -> None:
    """Migrate to the newest revision; safe for concurrent programs. Raises UserError."""
    if await current(engine) != HEAD:
        up, _ = await asyncio.to_thread(_import_migrating)
        await _run(engine, up)


async def downgrade(engine: AsyncEngine) -> None:
    """Revert the last migration, and delete its data; an empty database stays as it is.

    Raises UserError.
    """
    if await current(engine) is not None:
        _, down = await asyncio.to_thread(_import_migrating)
        await _run(engine, down)


async def current(engine: AsyncEngine) -> str | None:
    """The revision of the database; None if it is empty."""
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        revision: str | None = await connection.scalar(
            text("SELECT version_num FROM alembic_version")
        )
        return revision


async def _run(engine: AsyncEngine, migrate: _Migrate) -> None:
    async with engine.begin() as connection:
        if not is_sqlite(engine):  # a transaction of SQLite locks the database itself
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.run_sync(migrate)


def _import_migrating() -> tuple[_Migrate, _Migrate]:
    """Import `migrating.py`. Call it in a thread: the proxy's event loop serves requests."""
    from httpprocessproxy.companions.archive.store.migrating import down, up

    return up, down
