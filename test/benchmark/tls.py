"""The cost of TLS: HTTP/1.1 with and without it through http-process-proxy, with wrk."""

from contextlib import ExitStack
from typing import ClassVar

from test.benchmark import peers
from test.benchmark.backends import nginx_backend, nginx_missing, write_files
from test.benchmark.fleet import Bench, Contestant, place, start, turns
from test.benchmark.load import Scenario, account, wrk
from test.benchmark.peers.ours import command
from test.benchmark.peers.peer import Peer, Place
from test.benchmark.samples import OURS, OVER_TLS
from test.benchmark.tools import MissingError, program

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
    if why := nginx_missing():
        return bench.skip("tls", why)
    write_files(bench.files, bench.plan.bulk_bytes)
    try:
        program("wrk")
    except MissingError as error:
        return bench.skip("tls", error)
    both: list[Peer] = [*(peer for peer in peers.PEERS if peer.name == OURS), OverTls()]
    with ExitStack() as stack:
        contestants = [start(stack, peer, place(bench, nginx_backend, peer.name)) for peer in both]
        for number in range(bench.plan.rounds):
            for scenario in SCENARIOS:
                for contestant in turns(contestants, number):
                    _measure(bench, scenario, contestant, number)
    return None


def _measure(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    scheme = "https" if contestant.name == OVER_TLS else "http"
    account(
        bench,
        scenario,
        contestant,
        number,
        lambda port: wrk(scenario, port, bench.plan.wrk_s, scheme),
    )
