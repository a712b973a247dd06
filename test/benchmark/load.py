"""Requests per second, CPU per request and latency, by wrk with a browser's request."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from test.benchmark.backends import nginx_backend, nginx_missing, write_files
from test.benchmark.fleet import Bench, Contestant, fleet, place, start, turns
from test.benchmark.peers import PEERS
from test.benchmark.peers.peer import Peer
from test.benchmark.samples import DIRECT, OURS, Measure
from test.benchmark.service import HOST
from test.benchmark.tools import MissingError, program

SCRIPT = Path(__file__).with_name("browser.lua")
MEMORY = Measure("memory.peak", "memory at its peak, under load", "MB")
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """The options of wrk; with `new`, every request has a new connection."""

    key: str
    title: str
    connections: int
    path: str = "/"
    new: bool = False

    def measure(self, what: str, title: str, unit: str, higher: bool = False) -> Measure:
        return Measure(f"{self.key}.{what}", f"{self.title}: {title}", unit, higher)


SCENARIOS = (
    Scenario("browser1", "1 connection", 1),
    Scenario("browser32", "32 connections", 32),
    Scenario("browser256", "256 connections", 256),
    Scenario("new32", "32, a new one each time", 32, new=True),
    Scenario("body32", "32 connections, 100 KB", 32, path="/body"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """The counts of a client in one burst."""

    requests: int
    duration_s: float
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedBurst(Burst):
    """A burst of wrk, which has the median latency as well."""

    median_s: float


B = TypeVar("B", bound=Burst)


def wrk(
    scenario: Scenario, port: int, duration_s: int, scheme: str = "http", host: str = ""
) -> TimedBurst:
    """Run wrk once; `host` replaces the address in Host. Raises MissingError."""
    load = (program("wrk"), "-t1", f"-c{scenario.connections}", f"-d{duration_s}s")
    target = ("-s", str(SCRIPT), f"{scheme}://{HOST}:{port}{scenario.path}")
    named = ("-H", f"Host: {host}") if host else ()
    new = ("--", "close") if scenario.new else ()
    done = subprocess.run(
        (*load, *named, *target, *new), capture_output=True, text=True, timeout=duration_s + 30
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("figures ")), "")
    if not line:
        raise MissingError(f"wrk failed: {done.stdout} {done.stderr}")
    requests, duration, median, errors = map(int, line.split()[1:])
    return TimedBurst(
        requests=requests, duration_s=duration / 1e6, median_s=median / 1e6, errors=errors
    )


def run(bench: Bench) -> None:
    if why := nginx_missing():
        return bench.skip("load", why)
    write_files(bench.files, bench.plan.bulk_bytes)
    try:
        program("wrk")
    except MissingError as error:
        return bench.skip("load", error)
    with fleet(bench, nginx_backend) as contestants:
        _rounds(bench, contestants)
    for scenario in SCENARIOS:
        added = scenario.measure("added", "added median latency", "µs")
        bench.results.subtract(added, f"{scenario.key}.median", DIRECT)
    return None


def beside_ours(
    bench: Bench,
    part: str,
    other: Peer,
    scenarios: Sequence[Scenario],
    scheme: Callable[[str], str] = lambda contestant: "http",
) -> None:
    """Load http-process-proxy and another form of it in turns; `scheme` is that of a contestant."""
    if why := nginx_missing():
        return bench.skip(part, why)
    write_files(bench.files, bench.plan.bulk_bytes)
    try:
        program("wrk")
    except MissingError as error:
        return bench.skip(part, error)
    both: list[Peer] = [*(peer for peer in PEERS if peer.name == OURS), other]
    with ExitStack() as stack:
        contestants = [start(stack, peer, place(bench, nginx_backend, peer.name)) for peer in both]
        for number in range(bench.plan.rounds):
            for scenario in scenarios:
                for contestant in turns(contestants, number):

                    def client(
                        port: int, scenario: Scenario = scenario, name: str = contestant.name
                    ) -> TimedBurst:
                        return wrk(scenario, port, bench.plan.wrk_s, scheme(name))

                    account(bench, scenario, contestant, number, client)
    return None


def _rounds(bench: Bench, contestants: list[Contestant]) -> None:
    # Warm up: node compiles its hot paths, and the connection pools fill.
    for contestant in contestants if bench.plan.warm_up_s else ():
        wrk(SCENARIOS[1], contestant.port, bench.plan.warm_up_s)
    for number in range(bench.plan.rounds):
        for scenario in SCENARIOS:
            for contestant in turns(contestants, number):
                _measure(bench, scenario, contestant, number)
    for contestant in contestants:
        if contestant.tree:
            bench.results.add(MEMORY, contestant.name, 0, contestant.tree.peak_rss_bytes() / MB)


def _measure(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    def client(port: int) -> TimedBurst:
        return wrk(scenario, port, bench.plan.wrk_s)

    median_us = account(bench, scenario, contestant, number, client).median_s * 1e6
    median = scenario.measure("median", "median latency", "µs")
    bench.results.add(median, contestant.name, number, median_us)


def account(
    bench: Bench,
    scenario: Scenario,
    contestant: Contestant,
    number: int,
    client: Callable[[int], B],
) -> B:
    """Run a client at the contestant's port; record rate, cost and errors of its burst."""
    before_s = contestant.tree.cpu_s() if contestant.tree else 0.0
    burst = client(contestant.port)
    rate = burst.requests / burst.duration_s
    name, results = contestant.name, bench.results
    results.add(scenario.measure("rate", "requests", "/s", higher=True), name, number, rate)
    if contestant.tree and burst.requests:
        cpu_us = 1e6 * (contestant.tree.cpu_s() - before_s) / burst.requests
        results.add(scenario.measure("cpu", "CPU per request", "µs"), name, number, cpu_us)
    if burst.errors:
        bench.fault(f"{name}, {scenario.title}", f"{burst.errors} errors")
    bench.say(f"round {number + 1}, {scenario.title}: {name}: {rate:,.0f}/s")
    return burst
