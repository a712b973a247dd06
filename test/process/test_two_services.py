"""Two services in one program: each ends its own processes, and no others."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from httpprocessproxy.process import become_subreaper
from test.deadline import MS, PATIENCE_S, eventually
from test.process.two_services import restarted, tag_of, tagged, two_services

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
