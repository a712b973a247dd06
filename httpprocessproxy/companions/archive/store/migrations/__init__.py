"""How a database comes to have our tables, step by step, for Alembic."""
