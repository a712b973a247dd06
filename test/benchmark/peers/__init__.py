"""The proxies, each with its command and configuration in front of a backend.

A peer writes its configuration into a folder and returns its command, or raises MissingError.
The order here is the order of the tables. PEERS speak plain HTTP; FRONTS speak HTTPS, in each
version of HTTP that they support.
"""

from test.benchmark.peers.asgi import Hypercorn, OurAsgi
from test.benchmark.peers.browser_sync import BrowserSync
from test.benchmark.peers.caddy import Caddy, CaddyOverTls
from test.benchmark.peers.direct import Direct
from test.benchmark.peers.golang import Golang
from test.benchmark.peers.haproxy import Haproxy
from test.benchmark.peers.http_proxy import HttpProxy
from test.benchmark.peers.nginx import Nginx
from test.benchmark.peers.ours import OurFrontDoor, Ours
from test.benchmark.peers.peer import Peer

PEERS: tuple[Peer, ...] = (
    Direct(),
    Ours(),
    Nginx(),
    Haproxy(),
    Golang(),
    Caddy(),
    HttpProxy(),
    BrowserSync(),
)
FRONTS: tuple[Peer, ...] = (OurFrontDoor(), CaddyOverTls(), OurAsgi(), Hypercorn())
