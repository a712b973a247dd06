"""What is kept of clients and tickets. Times are UTC, without a zone: SQLite knows none."""

from datetime import UTC, datetime

from sqlalchemy import Boolean, DateTime, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables."""


class ClientRow(Base):
    """Who may make tickets.

    Of a secret, its SHA-256 is kept: 256 random bits need no slow hash. `signing_key` is the
    secret itself, and only of a client that wants /stream/url: whoever signs with a secret can be
    checked by nobody who has not got it.
    """

    __tablename__ = "clients"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    signing_key: Mapped[str | None] = mapped_column(Text)


class TicketRow(Base):
    """What a download will bring. `content` is the items as JSON, `options` an object as JSON.

    `is_available`: it need not wait in the queue, or has done so. `claimed_at`: somebody downloads
    it, or has, and nobody else may.
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
    """The time, as the tables have it."""
    return datetime.now(UTC).replace(tzinfo=None)
