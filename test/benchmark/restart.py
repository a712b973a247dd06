"""From a save to the first byte of the new code, and what a client loses meanwhile.

Every project's cold start is measured in the same round as its restarters: what a restarter adds
to it is its overhead.
"""

import asyncio
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from test.benchmark.fleet import Bench, turns
from test.benchmark.projects import PROJECTS, WITH_PANDAS, Project, marker, missing
from test.benchmark.restarters import EMBEDDED, PRELOADED, RESTARTERS, Restarter
from test.benchmark.samples import Measure
from test.benchmark.service import NotReadyError, get, running, wait_ready
from test.benchmark.tools import MissingError
from test.benchmark.visitor import Answer, visit
from test.ports import free_port

COLD = "cold start"
COLD_PROBE_S = 0.0005
# A watcher does not tell when it has begun to watch; one that polls does so every second.
BEGIN_S = 1.5
STAGES = ("drain", "stop", "start", "ready")


@dataclass(frozen=True, slots=True)
class Runner:
    """A restarter that serves a project at `port`, in the project's folder `work`."""

    name: str
    port: int
    work: Path


def measures(project: Project) -> tuple[Measure, Measure, Measure, Measure]:
    """Save to fresh byte; that less the cold start; requests failed; requests stale."""
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
    wanted = bench.plan.backends
    versions = itertools.count(1)
    # What others have preloaded is none of a run's business.
    cache = {"XDG_CACHE_HOME": str(bench.folder / "cache")}
    with watchman(bench.folder) as env:
        for project in (*PROJECTS, WITH_PANDAS):
            if wanted and project.name not in wanted:
                continue
            if why := missing(project):
                bench.skip(f"restart, {project.name}", why)
                continue
            with ExitStack() as stack:
                runners = list(_start(bench, stack, project, versions, env | cache))
                time.sleep(BEGIN_S)
                _rounds(bench, project, runners, versions)
            fresh, overhead, *_ = measures(project)
            bench.results.subtract(overhead, fresh.key, COLD)


@contextmanager
def watchman(folder: Path) -> Iterator[dict[str, str]]:
    """A Watchman of our own, so that nobody else's is disturbed; its address, as environment."""
    found = shutil.which("watchman")
    if found is None:
        yield {}
        return
    home = folder / "watchman"
    home.mkdir(exist_ok=True)
    home.chmod(0o700)
    paths = (f"--sockname={home}/sock", f"--statefile={home}/state", f"--logfile={home}/log")
    with running((found, "--foreground", *paths, f"--pidfile={home}/pid"), home):
        deadline = time.monotonic() + 10
        while not (home / "sock").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield {"WATCHMAN_SOCK": f"{home}/sock"}


def _folder(bench: Bench, project: Project, name: str, version: int) -> Path:
    work = bench.folder / "restart" / project.name / "".join(filter(str.isalnum, name))
    work.mkdir(parents=True, exist_ok=True)
    project.prepare(work)
    project.save(work, version)
    return work


def _start(
    bench: Bench,
    stack: ExitStack,
    project: Project,
    versions: Iterator[int],
    env: dict[str, str],
) -> Iterator[Runner]:
    """Start everyone who restarts this project; who cannot be is noted as skipped."""
    for restarter in RESTARTERS:
        if restarter.projects and project.name not in restarter.projects:
            continue
        try:
            yield _start_one(bench, stack, project, restarter, next(versions), env)
        except (MissingError, NotReadyError, OSError) as error:
            bench.skip(f"restart, {project.name}, {restarter.name}", error)


def _start_one(
    bench: Bench,
    stack: ExitStack,
    project: Project,
    restarter: Restarter,
    version: int,
    env: dict[str, str],
) -> Runner:
    work, port = _folder(bench, project, restarter.name, version), free_port()
    service = stack.enter_context(running(restarter.command(project, port), work, env))
    wait_ready(service, port, ready=restarter.ready)
    return Runner(restarter.name, port, work)


def _rounds(bench: Bench, project: Project, runners: list[Runner], versions: Iterator[int]) -> None:
    fresh = measures(project)[0]
    for number in range(bench.plan.saves):
        cold_ms = 1e3 * cold_start(bench, project, next(versions))
        bench.results.add(fresh, COLD, number, cold_ms)
        bench.say(f"save {number + 1}, {project.name}: {COLD}: {cold_ms:,.1f} ms")
        for runner in turns(runners, number):
            _save(bench, project, runner, number, next(versions))


def cold_start(bench: Bench, project: Project, version: int) -> float:
    """Seconds from starting the saved project, with nothing around it, to its first byte."""
    work, port = _folder(bench, project, COLD, version), free_port()
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
    """Ask our own account of the restart for its stages; it may not know of the answer yet."""
    answer = get(runner.port, "/_hpp/status").partition(b"\r\n\r\n")[2]
    restart = json.loads(answer)["last_restart"]
    for stage in STAGES:
        if (ms := restart[f"{stage}_ms"]) is not None:
            bench.results.add(stage_of(project, stage), runner.name, number, ms)
