"""Migration 0001: the table of clients."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Create the table of clients."""
    op.create_table(
        "clients",
        sa.Column("secret_hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("signing_key", sa.Text),
    )


def downgrade() -> None:
    """Drop the table of clients."""
    op.drop_table("clients")
