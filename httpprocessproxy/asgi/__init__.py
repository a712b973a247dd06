"""ASGI applications (asgi.readthedocs.io, version 3.0): HTTP/1.1, HTTP/2 and HTTP/3 on one port.

`server.py` is the library's entrance, `command.py` the command `http-process-asgi`; both run
`serving.py`, which combines `lifespan.py`, `http1.py` (on uvicorn's protocols) and `handler.py`,
which calls the application for streams of HTTP/2 and HTTP/3: `request_sink.py` for requests,
`websocket.py` for WebSockets. (`--asgi` does not use this package: there, uvicorn is the backend.)
"""

from httpprocessproxy.asgi.server import ASGIServer

__all__ = ["ASGIServer"]
