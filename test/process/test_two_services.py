"""Two services in one program: each ends its own processes, and no others."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress

import pytest

from httpprocessproxy.process import (
    Child,
    Launcher,
    LaunchSpec,
    Output,
    OutputCopier,
    ProcessTrees,
    become_subreaper,
    linux,
    marks,
)
from httpprocessproxy.process.linux import Process
from test.deadline import MS, PATIENCE_S, eventually
from test.process.generations import TREE, printed, until, with_copier
from test.process.two_services import restarted, sleeping, tag_of, tagged, two_services

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /proc")

LONG_S = 120_000 * MS
PROGRAM = [sys.executable, "-m", "test.process.two_services"]


@pytest.fixture
def number() -> Iterator[str]:
    """A number in the command of each process, which is unique to the test."""
    number = str(time.time_ns())
    yield number
    for pid in tagged(tag_of(number)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_200_random_restarts_of_two_services_end_their_own_processes(number: str) -> None:
    tag = tag_of(number)

    async def main() -> None:
        async with asyncio.timeout(LONG_S):
            with two_services(tag, seed=1) as services:
                async with asyncio.TaskGroup() as group:
                    for service in services:
                        group.create_task(restarted(service, 200), name="restarts")

    become_subreaper()
    # A child in our own session, as of a library.
    with subprocess.Popen(["sleep", "1000"]) as library:
        try:
            asyncio.run(main())
            assert tagged(tag) == {}
            assert library.poll() is None
        finally:
            library.kill()


# One case at a time


class Started:
    """Two trees, each with the child of a command, which has printed "up"."""

    def __init__(self, output: Output, other: Output) -> None:
        self.trees = ProcessTrees()
        self.web, self.api = self.trees.add("web"), self.trees.add("api")
        self._output, self._other = output, other

    async def start(self, *commands: str) -> list[Child]:
        """Start the commands of "web" and "api" in shells."""
        streams = (self.web, self._output), (self.api, self._other)
        children = []
        for command, (tree, output) in zip(commands, streams, strict=True):
            spec = LaunchSpec(("sh", "-c", f"{command}\necho up\nexec sleep 1000"))
            children.append(Launcher(spec, output, tree).spawn())
            await printed(output, b"up")
        return children


def with_services(test: Callable[[Started], Coroutine[None, None, None]]) -> None:
    async def main(copier: OutputCopier, output: Output) -> None:
        await test(Started(output, copier.add("api")))

    with_copier(main)


@pytest.mark.parametrize(
    ("helper", "count"),
    [
        ("(setsid sleep {} &)", 1),
        ("env -i sleep {} &", 1),
        ("(env -i setsid sleep {} &)", 1),
        ("(env -i setsid sh -c 'sleep {0} & exec sleep {0}' &)", 2),
    ],
)
def test_sweep_ends_orphans_of_its_service_alone(helper: str, count: int, number: str) -> None:
    tags = [tag_of(f"{number}{service}") for service in (1, 2)]

    async def main(two: Started) -> None:
        web, api = await two.start(*map(helper.format, tags))
        await until(lambda: all(len(sleeping(tag)) == count for tag in tags))
        for child in (web, api):
            os.kill(child.pid, signal.SIGKILL)
            await child.wait()
        kept = tagged(tags[1])
        assert len(await two.web.sweep()) == count
        assert (tagged(tags[0]), tagged(tags[1])) == ({}, kept)
        assert two.web.orphans() == []
        await api.stop()
        assert tagged(tags[1]) == {}

    with_services(main)


@pytest.fixture
def _refused_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox in which limits cannot be set."""
    monkeypatch.setattr(marks, "_is_free", lambda *_: False)


@pytest.mark.usefixtures("_refused_limit")
def test_orphan_without_marks_belongs_to_the_service_of_its_session(number: str) -> None:
    tag = tag_of(number)

    async def main(two: Started) -> None:
        web, api = await two.start(f"env -i sleep {tag} &", "true")
        await until(lambda: len(sleeping(tag)) == 1)
        (hidden,) = sleeping(tag)
        os.kill(web.pid, signal.SIGKILL)
        await web.wait()
        assert two.api.orphans() == []
        assert await two.web.sweep() == [f"{hidden} (sleep {tag})"]
        await api.stop()

    with_services(main)


@pytest.mark.usefixtures("_refused_limit")
def test_session_that_was_seen_below_a_child_belongs_to_its_service(number: str) -> None:
    tag = tag_of(number)

    async def main(two: Started) -> None:
        web, api = await two.start(f"env -i setsid sleep {tag} &", "true")
        await until(lambda: len(sleeping(tag)) == 1)
        (hidden,) = sleeping(tag)
        assert hidden in [one.pid for one in two.web.members(web.pid)]
        os.kill(web.pid, signal.SIGKILL)
        await web.wait()
        assert await two.web.sweep() == [f"{hidden} (sleep {tag})"]
        await api.stop()

    with_services(main)


@pytest.mark.usefixtures("_refused_limit")
def test_orphan_without_any_evidence_is_not_ended_by_a_service(number: str) -> None:
    tag = tag_of(number)

    async def main(two: Started) -> None:
        web, api = await two.start("true", f"(env -i setsid sleep {tag} &)")
        # Not by the trees: they would remember the process from before it left its session.
        await until(lambda: len(sleeping(tag)) == 1)
        await web.stop()
        await api.stop()
        assert len(sleeping(tag)) == 1
        # Other tests of this process may have left a browser to a fixture.
        assert sleeping(tag) <= {one.pid for one in two.trees.orphans()[None]}
        assert two.web.orphans() == two.api.orphans() == []

    with_services(main)


def test_process_that_is_being_spawned_is_not_an_orphan() -> None:
    """Before it executes its program, it has no mark."""
    trees = ProcessTrees()
    web = trees.add("web")
    seen = threading.Event()
    found: list[Process] = []

    def look() -> None:
        found.extend(web.orphans())
        seen.set()

    def start() -> int:
        pid = os.posix_spawnp("sleep", ["sleep", "1000"], os.environ, setsid=True)
        looking.start()
        # If it could look by now, it would take the process for an orphan.
        seen.wait(200 * MS)
        return pid

    looking = threading.Thread(target=look)
    pid = web.spawn(start)
    try:
        assert seen.wait(PATIENCE_S)
        assert pid not in [one.pid for one in found]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        web.release(pid)


def test_ended_orphans_of_all_services_are_reaped(number: str) -> None:
    tag = tag_of(number)

    async def main(two: Started) -> None:
        web, api = await two.start(*[f"(setsid sleep {tag} &)"] * 2)
        await until(lambda: len(sleeping(tag)) == 2)
        ended = sleeping(tag)
        for pid in ended:
            os.kill(pid, signal.SIGKILL)
        async with asyncio.TaskGroup() as group:
            reaper = group.create_task(two.trees.reap_adopted(), name="reap")
            await until(lambda: not any(map(linux.find, ended)))
            reaper.cancel()
        await web.stop()
        await api.stop()

    with_services(main)


# SIGKILL of the program


@contextmanager
def guarded_services(number: str, seed: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The guard of two services that restart, and the pid of their program."""
    command = [*PROGRAM, number, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as guard:
        assert guard.stdout is not None
        try:
            program = int(guard.stdout.readline())
            first = tagged(tag_of(number))
            # Both have ended a generation since then.
            eventually(lambda: not first.keys() & tagged(tag_of(number)).keys())
            yield guard, program
        finally:
            guard.kill()


@pytest.mark.parametrize("seed", range(4))
def test_killed_program_with_two_services_leaves_no_process(seed: int, number: str) -> None:
    with guarded_services(number, seed) as (guard, program):
        os.kill(program, signal.SIGKILL)
        assert guard.wait(PATIENCE_S) == 128 + signal.SIGKILL
        assert tagged(tag_of(number)) == {}


@pytest.mark.parametrize("seed", range(4))
def test_program_with_two_services_killed_with_its_guard_leaves_no_process(
    seed: int, number: str
) -> None:
    with guarded_services(number, seed) as (guard, program):
        # The guard is stopped first: otherwise it would end the services.
        os.kill(guard.pid, signal.SIGSTOP)
        os.kill(program, signal.SIGKILL)
        os.kill(guard.pid, signal.SIGKILL)
        eventually(lambda: not tagged(tag_of(number)))
    # This process has adopted the reaper, which ends after two looks.
    eventually(lambda: not TREE.orphans())
