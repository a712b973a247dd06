"""Opens a database by its URL: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

The rule for SQLite: only the owner can access the file, as ticket ids are secrets. Each transaction
takes the write lock at its beginning: a transaction that reads and then writes would otherwise fail
under load instead of waiting.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from httpprocessproxy.core.errors import UserError

_DRIVERS: Final[Mapping[str, str]] = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}

# The timeout of a transaction that waits for the lock of another one.
_LOCK_TIMEOUT_S: Final = 30
_JOIN_TIMEOUT_S: Final = 1.0


@asynccontextmanager
async def opened(
    url: str, extras: Mapping[str, object] | None = None
) -> AsyncIterator[AsyncEngine]:
    """An engine for a database, disposed at the end. Raises UserError.

    `extras` are further arguments of SQLAlchemy's `create_async_engine`.
    """
    parsed = _parse(url)
    engine = _engine(parsed, extras or {})
    try:
        try:
            async with database_errors(), engine.connect():
                pass
        except (TypeError, UserError) as error:
            await asyncio.to_thread(_join_drivers)
            if isinstance(error, UserError):
                raise
            # A TypeError: the driver does not accept one of the extra arguments.
            raise UserError(f"DB_EXTRAS: {_line(error)}") from None
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
    """Turn a database error into a UserError without SQL, values and passwords in its text."""
    try:
        yield
    except SQLAlchemyError as error:
        raise UserError(f"the database does not answer: {_line(error)}") from error


def is_sqlite(engine: AsyncEngine) -> bool:
    return engine.dialect.name == "sqlite"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UserError("DB_URL is not a URL (for example sqlite:////var/lib/archive.db)") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise UserError(f"DB_URL: sqlite or postgresql, not {parsed.drivername}")
    return parsed.set(drivername=driver)


def _engine(url: URL, extras: Mapping[str, object]) -> AsyncEngine:
    is_file = url.drivername.startswith("sqlite") and url.database not in (None, "", ":memory:")
    if is_file:
        _create_private(Path(url.database or ""))
    try:
        engine = create_async_engine(url, **extras)
    except (AttributeError, TypeError, ValueError, SQLAlchemyError) as error:
        raise UserError(f"DB_EXTRAS: {_line(error)}") from None
    event.listen(engine.sync_engine, "do_connect", _connect)
    if is_sqlite(engine):
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _lock)
    return engine


def _join_drivers() -> None:
    """Wait for the driver's thread of a failed connection.

    aiosqlite does not join it, and its last callback on a closed event loop prints a traceback.
    """
    for thread in threading.enumerate():
        if thread.name.endswith("(_connection_worker_thread)"):
            thread.join(_JOIN_TIMEOUT_S)


def _create_private(path: Path) -> None:
    """Create a SQLite file with mode 0600 and its folder with 0700. Raises UserError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # O_NOFOLLOW: in a shared folder such as /tmp, a symbolic link may belong to another user.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}") from None


def _connect(
    dialect: Dialect,
    record: ConnectionPoolEntry,
    arguments: Sequence[object],
    options: Mapping[str, object],
) -> DBAPIConnection:
    """Connect; map the OSError of asyncpg, which SQLAlchemy does not wrap, to OperationalError."""
    try:
        return dialect.connect(*arguments, **options)
    except OSError as error:
        raise OperationalError("connect", None, error) from error


def _prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # Disables the driver's implicit BEGIN; `_lock` begins each transaction.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_S * 1000}")
    cursor.close()


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _line(error: Exception) -> str:
    """The driver's message, one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause).partition("\n")[0] or type(cause).__name__
