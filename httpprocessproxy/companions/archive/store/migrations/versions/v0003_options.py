"""Migration 0003: the options of tickets."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    """Add the column `options`."""
    column = sa.Column("options", sa.Text, nullable=False, server_default="{}")
    op.add_column("tickets", column)


def downgrade() -> None:
    """Drop the column `options`."""
    op.drop_column("tickets", "options")
