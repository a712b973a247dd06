"""The cost of TLS: HTTP/1.1 with and without it through http-process-proxy, with wrk."""

from typing import ClassVar

from test.benchmark.fleet import Bench
from test.benchmark.load import Scenario, beside_ours
from test.benchmark.peers.ours import command
from test.benchmark.peers.peer import Place
from test.benchmark.samples import OVER_TLS

SCENARIOS = (
    Scenario("tls1", "1 connection", 1),
    Scenario("tls32", "32 connections", 32),
    Scenario("tlsnew32", "32, a new one each time", 32, new=True),
    Scenario("tlsbody32", "32 connections, 100 KB", 32, path="/body"),
)


class OverTls:
    """http-process-proxy with `--tls`, and with a home of its own for the CA."""

    name: ClassVar[str] = OVER_TLS
    starts_backend: ClassVar[bool] = True

    def command(self, place: Place) -> tuple[str, ...]:
        backend = place.backend
        options = ("--watcher", "embedded", "--tls")
        home = ("env", f"HOME={place.config}", "XDG_DATA_HOME=", "CAROOT=")
        return (*home, *command(place.port, backend.port, backend.command, options))


def run(bench: Bench) -> None:
    def scheme(contestant: str) -> str:
        return "https" if contestant == OVER_TLS else "http"

    beside_ours(bench, "tls", OverTls(), SCENARIOS, scheme)
