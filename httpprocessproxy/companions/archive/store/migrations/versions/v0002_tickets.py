"""Migration 0002: the table of tickets."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the table of tickets."""
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("is_available", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, index=True),
        sa.Column("claimed_at", sa.DateTime),
    )


def downgrade() -> None:
    """Drop the table of tickets."""
    op.drop_table("tickets")
