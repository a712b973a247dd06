"""The tables of clients and tickets. Times are UTC without a zone, which SQLite cannot store."""

from datetime import UTC, datetime

from sqlalchemy import Boolean, DateTime, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The declarative base of the tables."""


class ClientRow(Base):
    """A client, which may create tickets.

    `secret_hash` is the SHA-256 of its secret: 256 random bits need no slow hash. `signing_key` is
    the secret itself, only for a client of /stream/url: verifying an HMAC needs the secret.
    """

    __tablename__ = "clients"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    signing_key: Mapped[str | None] = mapped_column(Text)


class TicketRow(Base):
    """A ticket. `content` is its items as JSON, `options` an object as JSON.

    `is_available`: the ticket can be downloaded without waiting in the queue, or has waited.
    `claimed_at`: the time of its only download; NULL before.
    """

    __tablename__ = "tickets"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    client: Mapped[str] = mapped_column(Text)
    is_available: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(DateTime, index=True)
    claimed_at: Mapped[datetime | None] = mapped_column(DateTime)
    options: Mapped[str] = mapped_column(Text, server_default="{}")


def now() -> datetime:
    """The current time in the form of the tables: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
