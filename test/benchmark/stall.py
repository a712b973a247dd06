"""Clients that stop reading: the memory of a proxy for each, and the latency of other requests."""

import socket
import time
from contextlib import ExitStack

from test.benchmark.backends import nginx_backend, nginx_missing, write_files
from test.benchmark.cpu import Tree
from test.benchmark.fleet import Bench, Contestant, fleet
from test.benchmark.samples import Measure
from test.benchmark.service import HOST, get

MEMORY = Measure("stall.memory", "memory for one stalled reader", "KB")
BESIDE = Measure("stall.beside", "a request beside the stalled readers", "ms")
LEVEL_BYTES = 64 << 10
LIMIT_S = 10.0


def stall(stack: ExitStack, port: int, clients: int) -> None:
    """Request the large file `clients` times and read nothing, until `stack` closes."""
    for _ in range(clients):
        connection = socket.create_connection((HOST, port), timeout=LIMIT_S)
        stack.enter_context(connection)
        connection.sendall(f"GET /bulk HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())


def levelled_bytes(tree: Tree) -> int:
    """The memory of `tree` once it has stopped growing for half a second, or after 10 s."""
    deadline = time.monotonic() + LIMIT_S
    seen = [tree.pss_bytes()]
    while time.monotonic() < deadline:
        time.sleep(0.1)
        seen.append(tree.pss_bytes())
        if len(seen) > 5 and max(seen[-6:]) - min(seen[-6:]) < LEVEL_BYTES:
            break
    return seen[-1]


def run(bench: Bench) -> None:
    if why := nginx_missing():
        return bench.skip("stall", why)
    write_files(bench.files, bench.plan.bulk_bytes)
    with fleet(bench, nginx_backend) as contestants:
        for contestant in contestants:
            try:
                _measure(bench, contestant)
            except OSError as error:
                bench.fault(f"{contestant.name}, stalled readers", error)
    return None


def _measure(bench: Bench, contestant: Contestant) -> None:
    if contestant.tree is None:
        return
    before = levelled_bytes(contestant.tree)
    with ExitStack() as stack:
        stall(stack, contestant.port, bench.plan.stalled_clients)
        grown = levelled_bytes(contestant.tree) - before
        began = time.monotonic()
        get(contestant.port)
        beside_ms = 1e3 * (time.monotonic() - began)
    each_kb = grown / bench.plan.stalled_clients / 1000
    bench.results.add(MEMORY, contestant.name, 0, each_kb)
    bench.results.add(BESIDE, contestant.name, 0, beside_ms)
    bench.say(f"stalled readers: {contestant.name}: {each_kb:,.0f} KB each")
