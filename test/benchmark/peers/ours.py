"""http-process-proxy, started by its command line, as by a user."""

import sys
from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.samples import OURS
from test.benchmark.service import HOST
from test.benchmark.tools import certificate


def command(
    port: int, backend_port: int, backend: tuple[str, ...], options: tuple[str, ...] = ()
) -> tuple[str, ...]:
    program = (sys.executable, "-m", "httpprocessproxy")
    # Another proxy on the machine may have the port for the browser extension.
    addresses = (f"{HOST}:{port}", f"{HOST}:{backend_port}", "--livereload-port", "0")
    return (*program, *addresses, *options, "--exec", *backend)


class Ours:
    name: ClassVar[str] = OURS
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        backend = place.backend
        return command(place.port, backend.port, backend.command, ("--watcher", "embedded"))


class OurFrontDoor:
    """http-process-proxy with HTTPS, HTTP/2 and HTTP/3."""

    name: ClassVar[str] = OURS
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        backend = place.backend
        cert, key = certificate(place.config)
        options = ("--watcher", "embedded", "--http3", "--tls-cert", cert, "--tls-key", key)
        return command(place.port, backend.port, backend.command, options)
