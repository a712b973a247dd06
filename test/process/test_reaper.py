"""The reaper: it ends the backend when guard and program are killed at once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.deadline import eventually
from test.harness import Proxy
from test.process.generations import TREE
from test.process.test_guard import Guarded
from test.process.test_tree import SHAPES
from test.processes import MARK, children, kill_marked, marked

# A waiting shell takes 0.1 MB of memory where sh is dash, and 1.5 MB where it is bash.
REAPER_PSS_BYTES = 2_000_000


@pytest.fixture
def mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    yield mark
    kill_marked(mark)


@pytest.mark.parametrize("shape", SHAPES)
def test_backend_ends_when_guard_and_program_are_killed(shape: str, mark: str) -> None:
    with Guarded(SHAPES[shape]) as run:
        # The guard is stopped first: otherwise it would end the backend.
        os.kill(run.guard.pid, signal.SIGSTOP)
        os.kill(run.program, signal.SIGKILL)
        os.kill(run.guard.pid, signal.SIGKILL)
        eventually(lambda: not marked(mark))
    # This process has adopted the reaper, which ends after two looks.
    eventually(lambda: not TREE.orphans())


def test_reaper_is_small_and_ends_with_the_program(project: Path) -> None:
    with Proxy(project, ["sleep", "1000"]) as proxy:
        [reaper] = [
            pid
            for pid in children(proxy.process.pid)
            if Path(f"/proc/{pid}/comm").read_text() == "sh\n"
        ]
        rollup = Path(f"/proc/{reaper}/smaps_rollup").read_text()
        [pss] = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
        assert int(pss) * 1024 < REAPER_PSS_BYTES
        words = Path(f"/proc/{reaper}/cmdline").read_bytes()
        assert b"http-process-proxy" not in words
        assert b"httpprocessproxy" not in words
        assert Path(f"/proc/{reaper}/cwd").readlink() == Path("/")
    assert not Path(f"/proc/{reaper}").exists()
