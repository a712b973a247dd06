"""Alembic's environment: runs migrations on the connection that `migrating.py` passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
