"""The data plane: what a browser sends goes to the backend, and what that answers comes back.

    plane.py     what all connections share: listeners, registries, the end of a generation
    client.py    a browser's connection: requests in, one after the other, responses out
    exchange.py  one request and its response: where it goes, and what a restart does to it
    connecting.py  how such a connection is made
    upstream.py  a connection to the backend, or to our own pages
    tunnel.py    the two ends of a connection after 101
    detour.py    what may stand between some requests and the backend

Synchronous callbacks on `asyncio.Protocol`: no task and no await per request.
"""

from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.server import ProxyServer, listen

__all__ = ["ClientConnection", "ProxyServer", "listen"]
