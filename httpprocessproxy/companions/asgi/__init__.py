"""ASGI applications (asgi.readthedocs.io, version 3.0): HTTP/1.1, HTTP/2 and HTTP/3 on one port.

`server.py` is the entrance for programs, `command.py` for shells (`http-process-asgi`), and
`serving.py` puts together what both run: `lifespan.py`, `http1.py` on uvicorn's protocols, and
`visits.py`, by which the front door's streams call the application: `visit.py` for requests,
`websocket.py` for WebSockets. (`--asgi` is not served here: there, uvicorn is the backend.)
"""

from httpprocessproxy.companions.asgi.server import ASGIServer

__all__ = ["ASGIServer"]
