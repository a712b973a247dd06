"""Migrates a database by Alembic, on a connection and in the transaction of `schema.py`."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from httpprocessproxy.core.errors import UserError


def up(connection: Connection) -> None:
    """Go to the newest revision. Raises UserError."""
    _migrate(connection, lambda config: command.upgrade(config, "head"))


def down(connection: Connection) -> None:
    """Go one revision back. Raises UserError."""
    _migrate(connection, lambda config: command.downgrade(config, "-1"))


def configuration() -> Config:
    """Where the migrations are."""
    config = Config()
    config.set_main_option(
        "script_location", "httpprocessproxy.companions.archive.store:migrations"
    )
    return config


def _migrate(connection: Connection, migrate: Callable[[Config], None]) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    try:
        migrate(config)
    except CommandError as error:
        raise UserError(f"not a database of ours, or of a newer version: {error}") from None
