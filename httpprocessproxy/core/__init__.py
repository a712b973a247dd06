"""The pure core: events and bytes in, decisions and bytes out.

No module here imports asyncio, socket, ssl, subprocess, time, os or logging.
Read `state.py` first; `http/http1.py` and `http/headers.py` are the proxy's grammar.
"""
