"""Clients in SQLite and PostgreSQL."""

import pytest
from sqlalchemy import text

from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.clients import Clients, NameTakenError, is_name
from httpprocessproxy.companions.archive.store.database import opened
from test.loops import run


def test_client_is_added_regenerated_and_dropped(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as engine:
            await schema.upgrade(engine)
            clients = Clients(engine)
            secret = await clients.add("joe")
            assert len(secret) == 43
            assert await clients.by_secret(secret) == "joe"
            with pytest.raises(NameTakenError):
                await clients.add("joe")
            await clients.add("ann")
            assert await clients.names() == ["ann", "joe"]
            changed = await clients.regenerate("joe")
            assert changed is not None
            assert await clients.by_secret(secret) is None
            assert await clients.by_secret(changed) == "joe"
            assert await clients.regenerate("nobody") is None
            await clients.drop("joe")
            await clients.drop("joe")
            assert await clients.by_secret(changed) is None
            assert await clients.names() == ["ann"]

    run(main())


def test_secret_is_stored_only_with_keeps_secret(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as engine:
            await schema.upgrade(engine)
            clients = Clients(engine)
            hidden, kept = await clients.add("joe"), await clients.add("ann", keeps_secret=True)
            assert await clients.signing_key("joe") is None
            assert await clients.signing_key("ann") == kept
            changed = await clients.regenerate("ann")
            assert await clients.signing_key("ann") == changed != kept
            await clients.regenerate("joe")
            assert await clients.signing_key("joe") is None
            async with engine.connect() as connection:
                rows = str((await connection.execute(text("SELECT * FROM clients"))).all())
            assert hidden not in rows
            assert kept not in rows

    run(main())


def test_unknown_secret_gives_none(db_url: str) -> None:
    async def main() -> None:
        async with opened(db_url) as engine:
            await schema.upgrade(engine)
            for secret in ("", "x", "\0", "\udce9", "x" * 100_000):
                assert await Clients(engine).by_secret(secret) is None

    run(main())


def test_name_is_printable_and_at_most_200_characters() -> None:
    assert is_name("Jo\xe9 1")
    for text_ in ("", "\0", "a\nb", "\ud800", "x" * 201):
        assert not is_name(text_)
