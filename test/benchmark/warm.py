"""Cold starts and warm forks of servers, in turns: the time from the command to the first byte.

The fork server runs here without a proxy; restart.py measures a save with it. Every start has a
version of its own, and a response of another version is a fault.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from httpprocessproxy.process import ProcessTrees, become_subreaper
from httpprocessproxy.warm import (
    ForkError,
    ForkServer,
    ImportRecord,
    PythonCommand,
    Recording,
    Stdio,
)
from test.benchmark.fleet import Bench
from test.benchmark.projects import WARM_PROJECTS, Project, marker, missing
from test.benchmark.restart import COLD, COLD_PROBE_S, cold_start
from test.benchmark.samples import Measure
from test.benchmark.service import NotReadyError, environment, get
from test.ports import free_port

WARM, READY, SERVER = "warm start", "fork server ready", "fork server"
LIMIT_S = 60.0
READY_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A project and its folder."""

    project: Project
    work: Path

    def command(self, port: int) -> PythonCommand:
        """Raises NotReadyError."""
        understood = PythonCommand.of(self.project.command(port), environment(), self.work)
        if isinstance(understood, str):
            raise NotReadyError(understood)
        return understood


def measures(project: Project) -> tuple[Measure, Measure]:
    """The measures: command to first byte, and readiness and memory of a fork server."""
    key, title = f"warm.{project.name}", f"start, {project.name}"
    return (
        Measure(f"{key}.start", f"{title}: to the first byte", "ms"),
        Measure(f"{key}.memory", f"{title}: memory of the fork server", "MB"),
    )


def run(bench: Bench) -> None:
    become_subreaper()
    wanted = bench.plan.backends
    for project in WARM_PROJECTS:
        if wanted and project.name not in wanted:
            continue
        if why := missing(project):
            bench.skip(f"warm, {project.name}", why)
            continue
        work = bench.folder / project.name
        work.mkdir()
        project.prepare(work)
        try:
            # A fork server and its forks inherit the working directory.
            with contextlib.chdir(work):
                asyncio.run(_measure(bench, Place(project, work), itertools.count(1)))
        except (ForkError, NotReadyError) as error:
            bench.skip(f"warm, {project.name}", error)


async def _measure(bench: Bench, place: Place, versions: Iterator[int]) -> None:
    project, add = place.project, bench.results.add
    start, memory = measures(project)
    place.project.save(place.work, next(versions))
    record = await asyncio.to_thread(_record, place)
    tree = ProcessTrees().add("web")
    async with ForkServer(place.command(0), record, environment(), tree) as server:
        async with asyncio.timeout(LIMIT_S):
            await server.ready()
        add(memory, SERVER, 0, server.memory_bytes() / 1e6)
        for number in range(bench.plan.starts):
            cold_s = await asyncio.to_thread(cold_start, bench, project, next(versions))
            add(start, COLD, number, 1e3 * cold_s)
            if number < READY_ROUNDS:
                add(start, READY, number, await _ready_ms(place, record))
            warm_s = await _warm_start(bench, place, server, next(versions))
            add(start, WARM, number, 1e3 * warm_s)
            bench.say(f"start {number + 1}, {project.name}: {1e3 * cold_s:.0f}, {1e3 * warm_s:.0f}")


async def _ready_ms(place: Place, record: ImportRecord) -> float:
    """The time until another fork server is ready, in milliseconds."""
    async with (
        asyncio.timeout(LIMIT_S),
        ForkServer(place.command(0), record, environment(), ProcessTrees().add("web")) as server,
    ):
        await server.ready()
        return 1e3 * (server.ready_after_s or 0.0)


def _record(place: Place) -> ImportRecord:
    """Record the imports of a cold start until its first response. Raises NotReadyError."""
    port = free_port()
    with Recording(place.command(port)) as recording:
        pid = os.posix_spawnp(
            recording.words[0],
            recording.words,
            environment(),
            file_actions=recording.file_actions,
            setsid=True,
        )
        try:
            _first_byte(port)
            record = recording.read()
        finally:
            _end(pid)
    if record is None:
        raise NotReadyError("nothing was recorded")
    return record


async def _warm_start(bench: Bench, place: Place, server: ForkServer, version: int) -> float:
    """Seconds from the request for a fork to its first byte."""
    place.project.save(place.work, version)
    port = free_port()
    command, variables = place.command(port), environment()
    await server.ready()
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        began = time.monotonic()
        pid = await server.fork(command, variables, Stdio(nothing, nothing, nothing))
    finally:
        os.close(nothing)
    try:
        answer = await asyncio.to_thread(_first_byte, port)
        lasted_s = time.monotonic() - began
    finally:
        _end(pid)
    if marker(version).encode() not in answer:
        bench.fault(f"{place.project.name}, warm", "an answer of another version")
    return lasted_s


def _first_byte(port: int) -> bytes:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            return get(port)
        except OSError:
            time.sleep(COLD_PROBE_S)
    raise NotReadyError("no answer")


def _end(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
