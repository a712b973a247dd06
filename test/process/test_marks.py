"""The marks of a service's processes: inherited by all of them, and read by any process."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from httpprocessproxy.process import linux
from httpprocessproxy.process.marks import RUN, SERVICE, Marks, new_run
from test.deadline import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")

SERVICES = ("web", "api")
INFINITE = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_RTTIME)


def sleeping(pid: int) -> linux.Process | None:
    process = linux.find(pid)
    return process if process is not None and process.words[:1] == ["sleep"] else None


@contextmanager
def running(*command: str, **variables: str) -> Iterator[linux.Process]:
    """The process of a command, once it has executed `sleep`."""
    environment = {"PATH": os.environ["PATH"], **variables}
    with subprocess.Popen(command, env=environment) as popen:
        try:
            process = eventually(lambda: sleeping(popen.pid))
            assert process is not None
            yield process
        finally:
            popen.kill()


@pytest.mark.parametrize("service", SERVICES)
def test_variable_names_the_service(service: str) -> None:
    marks = Marks(new_run())
    with running("sleep", "1000", **marks.environment(service)) as process:
        # execve(2) makes the environment readable last.
        eventually(lambda: marks.service_of(process, SERVICES) == service)
        assert marks.service_of(process, ()) is None
        assert Marks(new_run()).service_of(process, SERVICES) is None


@pytest.mark.parametrize("number", [0, 1])
def test_limit_names_the_service_of_a_program_without_environment(number: int) -> None:
    marks = Marks(new_run())
    with marks.limited(number), running("env", "-i", "setsid", "sleep", "1000") as process:
        assert process.environment_pairs <= {""}
        assert marks.service_of(process, SERVICES) == SERVICES[number]
        assert marks.service_of(process, ()) is None
        assert Marks(new_run()).service_of(process, SERVICES) is None
        assert marks.is_on(process)
        assert not Marks(new_run()).is_on(process)


def test_limit_is_that_of_this_process_only_meanwhile() -> None:
    before = limits()
    marks = Marks(new_run())
    with marks.limited(1):
        assert limits() != before
    assert limits() == before
    with running("sleep", "1000") as process:
        assert marks.service_of(process, SERVICES) is None
        assert not marks.is_on(process)


def test_limit_of_proxy_that_runs_this_one_is_replaced() -> None:
    outer, inner = Marks(new_run()), Marks(new_run())
    with outer.limited(0):
        before = limits()
        with inner.limited(1), running("sleep", "1000") as process:
            assert inner.service_of(process, SERVICES) == "api"
        assert limits() == before


SET_LIMIT = """
import resource, sys
from httpprocessproxy.process.marks import Marks
resource.setrlimit(resource.RLIMIT_RTTIME, (int(sys.argv[1]), int(sys.argv[2])))
with Marks("1-2").limited(0):
    print(*resource.getrlimit(resource.RLIMIT_RTTIME))
"""


@pytest.mark.parametrize("real", [(200_000, 200_000), (200_000, -1)])
def test_real_limit_is_kept(real: tuple[int, int]) -> None:
    command = [sys.executable, "-c", SET_LIMIT, *map(str, real)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.split() == [*map(str, real)]


def test_run_is_recognised_by_its_variable() -> None:
    marks = Marks(new_run())
    with running("sleep", "1000", **{RUN: marks.run}) as process:
        eventually(lambda: marks.is_on(process))
        assert marks.service_of(process, SERVICES) is None


def test_ended_process_keeps_the_limit_until_it_is_reaped() -> None:
    marks = Marks(new_run())
    with marks.limited(0), subprocess.Popen(["true"]) as popen:
        eventually(lambda: (now := linux.find(popen.pid)) is not None and now.is_zombie)
        process = linux.find(popen.pid)
        assert process is not None
        assert marks.service_of(process, SERVICES) == "web"
    assert marks.service_of(process, SERVICES) is None


def test_variable_of_service_has_a_documented_name() -> None:
    assert Marks("7-1").environment("web") == {SERVICE: "7-1/web"}
    assert SERVICE == "HPP_SERVICE"
