"""ASGI servers, which answer like the backend: http-process-asgi, and Hypercorn on uvloop."""

import sys
from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.samples import OUR_ASGI
from test.benchmark.service import HOST
from test.benchmark.tools import certificate, venv_program

APPLICATION = "test.benchmark.programs.application:app"
# The default limit of 1,000 requests per connection makes HTTP/2 clients lose those in flight.
CONFIG = "keep_alive_max_requests = 1_000_000_000\n"


class OurAsgi:
    name: ClassVar[str] = OUR_ASGI
    # An ASGI server needs no backend.
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        cert, key = certificate(place.config)
        start = "import sys; from httpprocessproxy.asgi.command import main; sys.exit(main())"
        address = ("--host", HOST, "--port", str(place.port))
        return (
            *(sys.executable, "-c", start, APPLICATION),
            *(*address, "--certfile", cert, "--keyfile", key),
        )


class Hypercorn:
    name: ClassVar[str] = "hypercorn"
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        cert, key = certificate(place.config)
        address, config = f"{HOST}:{place.port}", place.config / "hypercorn.toml"
        config.write_text(CONFIG)
        return (
            *(venv_program("hypercorn"), "--config", str(config), "--worker-class", "uvloop"),
            *("--bind", address, "--quic-bind", address, "--certfile", cert, "--keyfile", key),
            APPLICATION,
        )
