"""Migrations by Alembic, on the connection and in the transaction of `schema.py`."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from httpprocessproxy.core.errors import UserError


def up(connection: Connection) -> None:
    """Migrate to the newest revision. Raises UserError."""
    _migrate(connection, lambda config: command.upgrade(config, "head"))


def down(connection: Connection) -> None:
    """Revert one revision. Raises UserError."""
    _migrate(connection, lambda config: command.downgrade(config, "-1"))


def configuration() -> Config:
    """Alembic's configuration with the location of the migrations."""
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
        raise UserError(
            f"not a database of this program, or one of a newer version: {error}"
        ) from None
