"""The data plane: passes requests of clients to the backend, and its responses back.

    interfaces.py           the seam: an exchange between its `Downstream` and its `Upstream`
    server.py               the parts together; listeners and time limits
    router.py               the service of a request
    destination.py          a service: its gate, and the end of a generation
    client_connection.py    a client of HTTP/1.1: reads requests in turn, writes responses
    replay_client.py        a replayed request's client
    exchange.py             one request and its response: obeys core/exchange.py
    arrivals.py             requests of one iteration of the event loop enter the gate together
    connecting.py           makes connections to the backend or to the admin
    upstream_connection.py  a connection to the backend or to the admin: reads responses
    tunnel.py               the two ends of a connection after 101
    context.py, readers.py  the shared state: the gate, the log, the registries, the parsers

The streams of HTTP/2, HTTP/3 and a share are clients, too: `frontends/stream_client.py`.
Synchronous callbacks on `asyncio.Protocol`: no task and no await per request.
"""

from httpprocessproxy.proxy.client_connection import ClientConnection
from httpprocessproxy.proxy.destination import DestinationOptions
from httpprocessproxy.proxy.server import ProxyOptions, ProxyServer, listen

__all__ = ["ClientConnection", "DestinationOptions", "ProxyOptions", "ProxyServer", "listen"]
