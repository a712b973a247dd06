"""The pure core: events and bytes in, decisions and bytes out.

Nothing here imports asyncio, socket, ssl, subprocess, time, os or logging.
Read `state.py` first; `http1.py` and `headers.py` are the proxy's grammar.
"""
