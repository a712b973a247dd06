"""All restarters of a project, running at once, each in a folder and at a port of its own."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from test.benchmark.fleet import Bench
from test.benchmark.projects import Project, missing
from test.benchmark.restarters import RESTARTERS, Restarter
from test.benchmark.service import NotReadyError, running, wait_ready
from test.benchmark.tools import MissingError
from test.ports import free_port

# A watcher does not report that it watches; a polling one polls every second.
BEGIN_S = 1.5


@dataclass(frozen=True, slots=True)
class Runner:
    """A restarter that serves a project at `port`, in the project's folder `work`."""

    name: str
    port: int
    work: Path


def chosen(bench: Bench, projects: Iterable[Project]) -> Iterator[Project]:
    """The projects of the plan that can run here; the others are recorded as skipped."""
    wanted = bench.plan.backends
    for project in projects:
        if wanted and project.name not in wanted:
            continue
        if why := missing(project):
            bench.skip(project.name, why)
            continue
        yield project


@contextmanager
def watchman(folder: Path) -> Iterator[dict[str, str]]:
    """Run a private Watchman, apart from any other; yields the environment with its address."""
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


def work_folder(bench: Bench, project: Project, name: str, version: int) -> Path:
    work = bench.folder / "restart" / project.name / "".join(filter(str.isalnum, name))
    work.mkdir(parents=True, exist_ok=True)
    project.prepare(work)
    project.save(work, version)
    return work


@contextmanager
def running_all(
    bench: Bench, project: Project, versions: Iterator[int], env: dict[str, str]
) -> Iterator[list[Runner]]:
    """Start every restarter of a project; one that cannot start is recorded as skipped."""
    # Records of preloads of other runs must not count in this one.
    environment = env | {"XDG_CACHE_HOME": str(bench.folder / "cache")}
    with ExitStack() as stack:
        runners = []
        for restarter in RESTARTERS:
            if restarter.projects and project.name not in restarter.projects:
                continue
            try:
                version = next(versions)
                runners.append(_start(bench, stack, project, restarter, version, environment))
            except (MissingError, NotReadyError, OSError) as error:
                bench.skip(f"{project.name}, {restarter.name}", error)
        time.sleep(BEGIN_S)
        yield runners


def _start(
    bench: Bench,
    stack: ExitStack,
    project: Project,
    restarter: Restarter,
    version: int,
    env: dict[str, str],
) -> Runner:
    work, port = work_folder(bench, project, restarter.name, version), free_port()
    service = stack.enter_context(running(restarter.command(project, port), work, env))
    wait_ready(service, port, ready=restarter.ready)
    return Runner(restarter.name, port, work)
