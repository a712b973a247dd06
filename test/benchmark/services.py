"""The cost of routes: one service, and the same one beside five others, with wrk."""

import sys
from typing import ClassVar, Final

from test.benchmark.fleet import Bench
from test.benchmark.load import Scenario, beside_ours
from test.benchmark.peers.peer import Place
from test.benchmark.samples import SIX_SERVICES
from test.benchmark.service import HOST

SCENARIOS = (
    Scenario("services1", "1 connection", 1),
    Scenario("services32", "32 connections", 32),
)

FILE: Final = """
bind = "{host}:{port}"
livereload-port = 0

[service.web]
exec = {command}
address = "{host}:{backend}"
route = "/**"
{others}
"""

OTHER: Final = """
[service.other{number}]
address = "{host}:{backend}"
route = ["/other{number}/**", "site{number}.localhost/**"]
"""


class SixServices:
    """http-process-proxy with a file of six services; only the load's own gets requests."""

    name: ClassVar[str] = SIX_SERVICES
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        backend = place.backend
        others = (OTHER.format(number=n, host=HOST, backend=backend.port) for n in range(5))
        text = FILE.format(
            host=HOST,
            port=place.port,
            command=list(backend.command),
            backend=backend.port,
            others="".join(others),
        )
        (place.work / "http-process-proxy.toml").write_text(text)
        return (sys.executable, "-m", "httpprocessproxy", "up")


def run(bench: Bench) -> None:
    beside_ours(bench, "services", SixServices(), SCENARIOS)
