"""Go's httputil.ReverseProxy, on which air, devd and templ are built."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.tools import go_program


class Golang:
    name: ClassVar[str] = "Go"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        return (go_program("reverseproxy"), str(place.port), str(place.backend.port))
