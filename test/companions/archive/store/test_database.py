"""Opening of databases, and its error messages."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import text

from httpprocessproxy.companions.archive.store.database import database_errors, opened
from httpprocessproxy.core.errors import UserError
from test.companions.archive.service.services import sqlite
from test.loops import run


async def nothing(db_url: str, extras: Mapping[str, object] | None = None) -> None:
    async with opened(db_url, extras):
        pass


def test_new_sqlite_file_is_accessible_only_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "new" / "archive.db"
    run(nothing(f"sqlite:///{path}"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgresql_url_is_accepted_with_each_scheme(
    postgres: object, db_url: str, scheme: str
) -> None:
    if db_url.startswith("postgresql"):
        run(nothing(db_url.replace("postgresql", scheme, 1), {"pool_size": 2}))


@pytest.mark.parametrize(
    ("url", "extras", "complaint"),
    [
        ("nonsense", {}, "DB_URL is not a URL"),
        ("mysql://joe:hidden@localhost/x", {}, "DB_URL: sqlite or postgresql, not mysql"),
        ("sqlite:////dev/null/x", {}, "cannot open /dev/null/x: "),
        ("sqlite:///LINK", {}, "cannot open .*/link: "),
        ("sqlite:///NEW", {"nonsense": 1}, "DB_EXTRAS: "),
        ("sqlite:///NEW", {"poolclass": "x"}, "DB_EXTRAS: "),
        ("sqlite:///NEW", {"connect_args": {"x": 1}}, "DB_EXTRAS: "),
        ("postgresql://joe:hidden@/x?host=/nowhere", {}, "the database does not answer: "),
    ],
)
def test_invalid_url_or_extras_raise_user_error(
    tmp_path: Path, url: str, extras: Mapping[str, object], complaint: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "other")
    url = url.replace("LINK", f"{tmp_path / 'link'}").replace("NEW", f"{tmp_path / 'new'}")
    with pytest.raises(UserError, match=complaint) as raised:
        run(nothing(url, extras))
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_query_error_is_one_line_without_sql(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            opened(sqlite(tmp_path)) as engine,
            database_errors(),
            engine.connect() as connection,
        ):
            await connection.execute(text("SELECT 'hidden' FROM nowhere"))

    with pytest.raises(UserError) as raised:
        run(main())
    assert str(raised.value) == "the database does not answer: no such table: nowhere"
