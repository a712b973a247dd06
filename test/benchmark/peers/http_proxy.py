"""http-proxy for Node, on which http-proxy-middleware and many dev servers are built."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.tools import HERE, npm_package, program


class HttpProxy:
    name: ClassVar[str] = "node http-proxy"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        script = str(HERE / "programs" / "http_proxy.js")
        ports = (str(place.port), str(place.backend.port))
        return (program("node"), script, *ports, npm_package("http-proxy"))
