"""Opens a database by its URL: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

The rule for SQLite: the file is its owner's alone, as tickets are keys, and each transaction has
the lock from its beginning on: one that reads and then writes would otherwise fail under load
instead of waiting.
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

# How long a transaction waits for another one's lock.
_LOCK_TIMEOUT_S: Final = 30
_JOIN_TIMEOUT_S: Final = 1.0


@asynccontextmanager
async def opened(
    url: str, extras: Mapping[str, object] | None = None
) -> AsyncIterator[AsyncEngine]:
    """Open a database while the context is. `extras` are SQLAlchemy's. Raises UserError."""
    parsed = _parse(url)
    engine = _engine(parsed, extras or {})
    try:
        try:
            async with explaining(), engine.connect():
                pass
        except (TypeError, UserError) as error:
            await asyncio.to_thread(_join_drivers)
            if isinstance(error, UserError):
                raise
            # The driver does not know what it is to be told.
            raise UserError(f"DB_EXTRAS: {_line(error)}") from None
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def explaining() -> AsyncIterator[None]:
    """Turn what goes wrong with a database into a UserError, without SQL, values and passwords."""
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
        raise UserError("DB_URL is no URL (for example sqlite:////var/lib/archive.db)") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise UserError(f"DB_URL: sqlite or postgresql, not {parsed.drivername}")
    return parsed.set(drivername=driver)


def _engine(url: URL, extras: Mapping[str, object]) -> AsyncEngine:
    is_file = url.drivername.startswith("sqlite") and url.database not in (None, "", ":memory:")
    if is_file:
        _make_own(Path(url.database or ""))
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
    """Let the thread end in which a connection has failed.

    aiosqlite does not wait for it, and its last word would find the loop closed: a traceback.
    """
    for thread in threading.enumerate():
        if thread.name.endswith("(_connection_worker_thread)"):
            thread.join(_JOIN_TIMEOUT_S)


def _make_own(path: Path) -> None:
    """Raises UserError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not followed: in a folder for all, such as /tmp, a link may be somebody else's.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}") from None


def _connect(
    dialect: Dialect,
    record: ConnectionPoolEntry,
    arguments: Sequence[object],
    options: Mapping[str, object],
) -> DBAPIConnection:
    """Connect, and fail as in all else: asyncpg's OSError is not taken for one by SQLAlchemy."""
    try:
        return dialect.connect(*arguments, **options)
    except OSError as error:
        raise OperationalError("connect", None, error) from error


def _prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    # Transactions are begun by us, below, and not by the driver when it sees fit.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_S * 1000}")
    cursor.close()


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _line(error: Exception) -> str:
    """What went wrong, in one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause).partition("\n")[0] or type(cause).__name__
