"""HTTP/1.1, HTTP/2 and HTTP/3 over TLS: rate and cost of the servers that terminate them.

Proxies forward a browser's request to nginx; ASGI servers give the same answer themselves. 32
requests are in flight. The clients are wrk (HTTP/1.1), h2load (HTTP/2) and http3.py (HTTP/3).
"""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping

from test.benchmark import load
from test.benchmark.backends import nginx_backend, nginx_missing
from test.benchmark.browser import browser_fields
from test.benchmark.fleet import Bench, Contestant, fleet, turns
from test.benchmark.load import Burst, Scenario
from test.benchmark.peers import FRONTS
from test.benchmark.service import HOST, answers_over_tls, environment
from test.benchmark.tools import MissingError, program

HTTP1 = Scenario("fronth1", "HTTP/1.1 over TLS", 32)
HTTP2 = Scenario("fronth2", "HTTP/2", 4)
HTTP3 = Scenario("fronth3", "HTTP/3", 4)
STREAMS = 8  # on each connection of HTTP/2 and HTTP/3
# Added to the duration of a burst; a client that cannot connect ends sooner.
TIMEOUT_S = 30


def wrk(port: int, duration_s: int) -> Burst:
    return load.wrk(HTTP1, port, duration_s, "https")


def h2load(port: int, duration_s: int) -> Burst:
    shape = ("--npn-list=h2", f"-c{HTTP2.connections}", f"-m{STREAMS}", f"-D{duration_s}")
    fields = (f"--header={name}: {value}" for name, value in browser_fields())
    url = f"https://{HOST}:{port}{HTTP2.path}"
    done = subprocess.run(
        (program("h2load"), *shape, *fields, url),
        capture_output=True,
        text=True,
        timeout=duration_s + TIMEOUT_S,
    )
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    if not counts or "Application protocol: h2\n" not in done.stdout:
        raise MissingError(f"it does not speak HTTP/2 with h2load {done.stderr}")
    succeeded, failed, errored = map(int, counts.groups())
    # Responses after the end are not counted, so that the duration is exact.
    return Burst(requests=succeeded, duration_s=duration_s, errors=failed + errored)


def http3(port: int, duration_s: int) -> Burst:
    client = (sys.executable, "-m", "test.benchmark.http3")
    done = subprocess.run(
        (*client, *map(str, (port, duration_s, HTTP3.connections, STREAMS))),
        capture_output=True,
        text=True,
        timeout=duration_s + TIMEOUT_S,
        env=environment(),
    )
    figures = re.search(r"^figures (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if not figures:
        raise MissingError(f"the HTTP/3 client failed: {done.stderr}")
    requests, duration_us, errors = map(int, figures.groups())
    return Burst(requests=requests, duration_s=duration_us / 1e6, errors=errors)


CLIENTS: Mapping[Scenario, Callable[[int, int], Burst]] = {HTTP1: wrk, HTTP2: h2load, HTTP3: http3}


def run(bench: Bench) -> None:
    """Measure each contestant in each version, by rounds; an unsupported version is skipped."""
    if why := nginx_missing():
        return bench.skip("front", why)
    with fleet(bench, nginx_backend, FRONTS, answers_over_tls) as contestants:
        for number in range(bench.plan.rounds):
            for scenario in CLIENTS:
                for contestant in turns(contestants, number):
                    _try(bench, scenario, contestant, number)
    return None


def _try(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    try:
        _measure(bench, scenario, contestant, number)
    except (MissingError, subprocess.TimeoutExpired) as error:
        bench.skip(f"{scenario.title}, {contestant.name}", error)


def _measure(bench: Bench, scenario: Scenario, contestant: Contestant, number: int) -> None:
    load.account(
        bench,
        scenario,
        contestant,
        number,
        lambda port: CLIENTS[scenario](port, bench.plan.wrk_s),
    )
