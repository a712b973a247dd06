"""HAProxy: one thread, as http-process-proxy has one process, and kept connections."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.service import HOST
from test.benchmark.tools import program

CONFIG = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend front
    bind {host}:{port}
    default_backend back
backend back
    server one {host}:{backend} pool-max-conn -1
"""


class Haproxy:
    name: ClassVar[str] = "haproxy"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        path = place.config / "haproxy.cfg"
        path.write_text(CONFIG.format(host=HOST, port=place.port, backend=place.backend.port))
        return (program("haproxy"), "-db", "-f", str(path))
