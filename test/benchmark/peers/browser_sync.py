"""browser-sync in front of a server, quiet: no browser window, no control page."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.service import HOST
from test.benchmark.tools import npm_program, program


class BrowserSync:
    name: ClassVar[str] = "browser-sync"
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        start = (program("node"), npm_program("browser-sync"), "start")
        proxy = ("--proxy", f"{HOST}:{place.backend.port}", "--ws", "--port", str(place.port))
        return (*start, *proxy, "--no-open", "--no-ui", "--no-notify", "--no-online")
