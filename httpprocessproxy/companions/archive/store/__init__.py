"""The database of clients and tickets: SQLite or PostgreSQL, through SQLAlchemy.

`tables.py` declares the tables, and `migrations/` creates them step by step: `schema.py` compares
a database's revision with the newest one, and `migrating.py` runs the migrations. `database.py`
opens a database by its URL. `clients.py` and `tickets.py` contain all queries.
"""
