"""Migrations: up, down and up again, concurrently, and compared with the declared tables."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.database import opened
from httpprocessproxy.companions.archive.store.migrating import configuration
from httpprocessproxy.companions.archive.store.tables import Base
from httpprocessproxy.core.errors import UserError
from test.loops import run


def test_migrations_are_applied_and_reverted_one_by_one(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as engine:
            assert await schema.current(engine) is None
            await schema.upgrade(engine)
            seen = []
            while (at := await schema.current(engine)) is not None:
                seen.append(at)
                await schema.downgrade(engine)
            assert seen == ["0003", "0002", "0001"]
            await schema.downgrade(engine)
            async with engine.connect() as connection:
                names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            assert names == ["alembic_version"]
            await schema.upgrade(engine)
            assert await schema.current(engine) == schema.HEAD == "0003"

    run(main())


def test_unknown_revision_raises_user_error(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as engine:
            await schema.upgrade(engine)
            async with engine.begin() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = 'other'"))
            for change in (schema.upgrade, schema.downgrade):
                with pytest.raises(
                    UserError, match="not a database of this program, or one of a newer"
                ):
                    await change(engine)

    run(main())


def test_concurrent_upgrades_succeed(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as one, opened(db_url) as other:
            await asyncio.gather(*(schema.upgrade(engine) for engine in (one, other, one)))
            assert await schema.current(other) == schema.HEAD

    run(main())


def test_last_migration_is_the_head_of_the_code() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == schema.HEAD


def test_migrated_database_matches_the_declared_tables(db_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async def main() -> None:
        async with opened(db_url) as engine:
            await schema.upgrade(engine)
            async with engine.connect() as connection:
                assert await connection.run_sync(differences) == []

    run(main())
