"""The data plane: passes requests of clients to the backend, and its responses back.

    server.py               state shared by all connections: listeners, registries, generations
    client_connection.py    a client's connection: reads requests in turn, writes responses
    exchange.py             one request and its response: destination, and effect of a restart
    connecting.py           makes connections to the backend or to the admin
    upstream_connection.py  a connection to the backend or to the admin
    tunnel.py               the two ends of a connection after 101

Synchronous callbacks on `asyncio.Protocol`: no task and no await per request.
"""

from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.server import ProxyServer, listen

__all__ = ["ClientConnection", "ProxyServer", "listen"]
