"""The clients, which may create tickets, and their secrets."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from httpprocessproxy.companions.archive.store.tables import ClientRow

_SECRET_BYTES = 32
_MAX_NAME_CHARACTERS = 200


class NameTakenError(Exception):
    """A client with this name exists already."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of a database."""

    engine: AsyncEngine

    async def add(self, name: str, keeps_secret: bool = False) -> str:
        """Create a client, and return its secret, which cannot be read again later.

        `keeps_secret`: store the secret itself, which verifies URLs that the client signs. Raises
        NameTakenError.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        row = {
            "name": name,
            "secret_hash": _hash(secret),
            "signing_key": secret if keeps_secret else None,
        }
        try:
            async with self.engine.begin() as connection:
                await connection.execute(insert(ClientRow).values(row))
        except IntegrityError:
            raise NameTakenError(name) from None
        return secret

    async def regenerate(self, name: str) -> str | None:
        """Replace the secret of a client, and return the new one; None for an unknown client."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        by_name = ClientRow.name == name
        async with self.engine.begin() as connection:
            changed = await connection.execute(
                update(ClientRow).where(by_name).values(secret_hash=_hash(secret))
            )
            await connection.execute(
                update(ClientRow)
                .where(by_name, ClientRow.signing_key.is_not(None))
                .values(signing_key=secret)
            )
        return secret if changed.rowcount else None

    async def drop(self, name: str) -> None:
        """Delete a client, if it exists."""
        async with self.engine.begin() as connection:
            await connection.execute(delete(ClientRow).where(ClientRow.name == name))

    async def names(self) -> list[str]:
        """The names of all clients."""
        async with self.engine.connect() as connection:
            found = await connection.scalars(select(ClientRow.name).order_by(ClientRow.name))
            return list(found)

    async def by_secret(self, secret: str) -> str | None:
        """The name of the client with this secret; None for an unknown secret."""
        async with self.engine.connect() as connection:
            hashed = ClientRow.secret_hash == _hash(secret)
            return await connection.scalar(select(ClientRow.name).where(hashed))

    async def signing_key(self, name: str) -> str | None:
        """The stored secret of a client; None without one."""
        if not is_name(name):
            return None
        async with self.engine.connect() as connection:
            by_name = ClientRow.name == name
            return await connection.scalar(select(ClientRow.signing_key).where(by_name))


def is_name(text: str) -> bool:
    """Whether a text is a valid client name; databases reject some characters, such as NUL."""
    return bool(text) and text.isprintable() and len(text) <= _MAX_NAME_CHARACTERS


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
