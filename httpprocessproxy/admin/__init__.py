"""The admin endpoints below `/_hpp/`, the LiveReload port, and the client of a running proxy.

`endpoints.py` opens them all. `client.py` is imported by verbs that take a few milliseconds: it
imports neither asyncio nor the endpoints.
"""
