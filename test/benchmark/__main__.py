"""`python -m test.benchmark`: run the parts, show progress, print the tables and the bars."""

import argparse
import dataclasses
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from test.benchmark import (
    archive,
    front,
    idle,
    load,
    report,
    restart,
    saves,
    services,
    share,
    stall,
    timelines,
    tls,
    tools,
    transfer,
    warm,
    websocket,
)
from test.benchmark.chart import svg, terminal
from test.benchmark.fleet import Bench
from test.benchmark.plan import FULL, PARTS, QUICK, Plan
from test.benchmark.samples import Results

RUN: Mapping[str, Callable[[Bench], None]] = {
    "load": load.run,
    "tls": tls.run,
    "services": services.run,
    "front": front.run,
    "transfer": transfer.run,
    "websocket": websocket.run,
    "stall": stall.run,
    "restart": restart.run,
    "saves": saves.run,
    "warm": warm.run,
    "idle": idle.run,
    "share": share.run,
    "archive": archive.run,
}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m test.benchmark", description=__doc__)
    options.add_argument("--quick", action="store_true", help="only try that every part works")
    options.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", default=PARTS)
    options.add_argument("--peers", nargs="+", metavar="NAME", help="only these proxies")
    options.add_argument("--backends", nargs="+", metavar="NAME", help="restart only these")
    options.add_argument("--rounds", type=int, help="how often each measure is taken")
    options.add_argument("--install", action="store_true", help="put missing peers into .cache/")
    options.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    options.add_argument("--timelines", type=Path, metavar="FILE", help="draw two restarts")
    options.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart into FILE")
    return options


def plan(options: argparse.Namespace) -> Plan:
    chosen = QUICK if options.quick else FULL
    if options.rounds:
        chosen = dataclasses.replace(chosen, rounds=options.rounds, saves=10 * options.rounds)
    if options.peers:
        chosen = dataclasses.replace(chosen, peers=tuple(options.peers))
    if options.backends:
        chosen = dataclasses.replace(chosen, backends=tuple(options.backends))
    return chosen


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    options = parser().parse_args()
    # SIGTERM must end the servers that the benchmark has started, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if options.install:
        tools.install(say)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="hpp-benchmark-") as folder:
        for part in options.only:
            say(f"{part} ({options.only.index(part) + 1} of {len(options.only)})")
            home = Path(folder).resolve() / part
            home.mkdir()
            RUN[part](Bench(plan(options), home, results, say))
    print_report(results, options)


def print_report(results: Results, options: argparse.Namespace) -> None:
    about, versions, groups = report.machine(), tools.versions(), report.bars(results)
    print(report.tables(results), terminal(groups), sep="\n\n")
    print(f"\n{report.caption(about)}\n{report.caption(versions)}")
    for what, why in results.skipped.items():
        print(f"skipped: {what}: {why}")
    for fault in results.faults:
        print(f"fault: {fault}")
    if options.json:
        options.json.write_text(report.as_json(results, about, versions))
    if options.svg:
        options.svg.write_text(svg(groups, report.caption(about)))
    if options.timelines and (rows := timelines.timelines(results)):
        options.timelines.write_text(timelines.svg(rows, report.caption(about)))


if __name__ == "__main__":
    main()
