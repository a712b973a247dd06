"""Brings a database to our tables and back, by the migrations of Alembic."""

from collections.abc import Callable
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from httpprocessproxy.archive.store.database import is_sqlite
from httpprocessproxy.core.errors import UserError

# Any number will do, as long as nobody else on the same database takes it.
_LOCK: Final = 7_470_001


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the database up to date. Safe to do from two programs at once. Raises UserError."""
    if await current(engine) == head():
        return
    await _run(engine, lambda config: command.upgrade(config, "head"))


async def downgrade(engine: AsyncEngine) -> None:
    """Take back the last migration, and with it what only it has room for; none is fine.

    Raises UserError.
    """
    if await current(engine) is not None:
        await _run(engine, lambda config: command.downgrade(config, "-1"))


async def current(engine: AsyncEngine) -> str | None:
    """The revision that the database is at; None: it is empty."""
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


def head() -> str | None:
    """The newest revision."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def _run(engine: AsyncEngine, migrate: Callable[[Config], None]) -> None:
    def work(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        try:
            migrate(config)
        except CommandError as error:
            raise UserError(f"not a database of ours, or of a newer version: {error}") from None

    async with engine.begin() as connection:
        if not is_sqlite(engine):  # there, the transaction itself is the lock
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.run_sync(work)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "httpprocessproxy.archive.store:migrations")
    return config
