"""The time from a save to the first byte of the new code, and the requests that fail meanwhile.

Every project's cold start is measured in the same round as its restarters: the overhead of a
restarter is the time that it adds to the cold start.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator

from test.benchmark.fleet import Bench, turns
from test.benchmark.projects import PROJECTS, WITH_PANDAS, Project, marker
from test.benchmark.restarters import EMBEDDED, PRELOADED
from test.benchmark.runners import Runner, chosen, running_all, watchman, work_folder
from test.benchmark.samples import Measure
from test.benchmark.service import NotReadyError, get, running
from test.benchmark.visitor import Answer, visit
from test.ports import free_port

COLD = "cold start"
COLD_PROBE_S = 0.0005
STAGES = ("drain", "stop", "start", "ready")


def measures(project: Project) -> tuple[Measure, Measure, Measure, Measure]:
    """The measures: save to fresh byte; that less the cold start; failed and stale requests."""
    key, title = f"restart.{project.name}", f"restart, {project.name}"
    return (
        Measure(f"{key}.fresh", f"{title}: save to fresh byte", "ms"),
        Measure(f"{key}.overhead", f"{title}: overhead", "ms"),
        Measure(f"{key}.failed", f"{title}: requests failed", "a save", mean=True),
        Measure(f"{key}.stale", f"{title}: requests stale", "a save", mean=True),
    )


def stage_of(project: Project, stage: str) -> Measure:
    key, title = f"restart.{project.name}.{stage}", f"restart, {project.name}"
    return Measure(key, f"{title}: {stage}", "ms")


def run(bench: Bench) -> None:
    versions = itertools.count(1)
    with watchman(bench.folder) as env:
        for project in chosen(bench, (*PROJECTS, WITH_PANDAS)):
            with running_all(bench, project, versions, env) as runners:
                _rounds(bench, project, runners, versions)
            fresh, overhead, *_ = measures(project)
            bench.results.subtract(overhead, fresh.key, COLD)


def _rounds(bench: Bench, project: Project, runners: list[Runner], versions: Iterator[int]) -> None:
    fresh = measures(project)[0]
    for number in range(bench.plan.saves):
        cold_ms = 1e3 * cold_start(bench, project, next(versions))
        bench.results.add(fresh, COLD, number, cold_ms)
        bench.say(f"save {number + 1}, {project.name}: {COLD}: {cold_ms:,.1f} ms")
        for runner in turns(runners, number):
            _save(bench, project, runner, number, next(versions))


def cold_start(bench: Bench, project: Project, version: int) -> float:
    """Seconds from the start of the saved project, without a restarter, to its first byte."""
    work, port = work_folder(bench, project, COLD, version), free_port()
    command = project.command(port)
    began = time.monotonic()
    with running(command, work) as service:
        while service.process.poll() is None and time.monotonic() - began < 30:
            try:
                get(port)
            except OSError:
                time.sleep(COLD_PROBE_S)
                continue
            return time.monotonic() - began
    raise NotReadyError(f"{project.name}: {service.last_words()}")


def _save(bench: Bench, project: Project, runner: Runner, number: int, version: int) -> None:
    fresh, _, failed, stale = measures(project)
    saved = time.monotonic()
    project.save(runner.work, version)
    seen = asyncio.run(visit(runner.port, marker(version), saved))
    if seen.fresh_s is None:
        return bench.fault(f"{project.name}, {runner.name}", "a save was never answered afresh")
    results, fresh_ms = bench.results, 1e3 * seen.fresh_s
    results.add(fresh, runner.name, number, fresh_ms)
    results.add(failed, runner.name, number, seen.count(Answer.FAILED))
    results.add(stale, runner.name, number, seen.count(Answer.STALE))
    bench.say(f"save {number + 1}, {project.name}: {runner.name}: {fresh_ms:,.1f} ms")
    if runner.name in (EMBEDDED, PRELOADED):
        _stages(bench, project, runner, number)
    return None


def _stages(bench: Bench, project: Project, runner: Runner, number: int) -> None:
    """Record the stages of a restart from the proxy's status, which may be late by a moment."""
    answer = get(runner.port, "/_hpp/status").partition(b"\r\n\r\n")[2]
    restart = json.loads(answer)["last_restart"]
    for stage in STAGES:
        if (ms := restart[f"{stage}_ms"]) is not None:
            bench.results.add(stage_of(project, stage), runner.name, number, ms)
