"""Clients and tickets, in SQLite or PostgreSQL, through SQLAlchemy.

`tables.py` is what is kept, `migrations/` how a database comes to have it: `schema.py` sees how far
it is, and `migrating.py` runs them. `database.py` opens one by its URL. `clients.py` and
`tickets.py` are all that is ever asked of it.
"""
