"""The guard: signals, exit statuses, and the end of all processes when it or the program dies."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from test.deadline import MS, PATIENCE_S, eventually
from test.process.generations import python
from test.process.test_tree import SHAPES
from test.processes import MARK, kill_marked, marked
from test.pseudo_terminal import Terminal

PROGRAM = [sys.executable, "-m", "test.process.programs", "guard"]
# "docker stop" waits ten seconds before SIGKILL.
SOON_S = 2000 * MS


@pytest.fixture
def mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    yield mark
    kill_marked(mark)


class Guarded:
    """A running program under its guard. A context manager."""

    def __init__(self, command: Sequence[str], *before: str) -> None:
        self.guard = subprocess.Popen(
            [*before, *PROGRAM, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.guard.stdout is not None
        assert self.guard.stderr is not None
        lines = iter(self.guard.stderr.readline, b"")
        line = next(one for one in lines if one.startswith(b"program "))
        self.program = int(line.removeprefix(b"program "))
        assert self.guard.stdout.readline() == b"up\n"

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self.guard.pid, self.program):
            # A stopped process would not notice the end of the other.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.guard.kill()
        with self.guard:
            pass  # Closes our ends of the pipes.

    def end(self) -> int:
        """Wait at most two seconds, and return the exit status."""
        return self.guard.wait(SOON_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_guard_ends_all_processes(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        run.guard.send_signal(number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_program_ends_all_processes(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        os.kill(run.program, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_process_group_ends_all_processes(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        os.killpg(run.guard.pid, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


def test_ctrl_c_before_fork_ends_all_processes(mark: str) -> None:
    """The terminal sends SIGINT to the guard alone, because the program does not exist yet."""
    command = [*PROGRAM[:-1], "interrupted-guard", "sleep", "1000"]
    with Terminal(command, Path.cwd(), os.environ) as terminal:
        terminal.wait_for("about to fork")
        terminal.type("\x03")
        assert terminal.wait_end() != 0
    assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("shape", SHAPES)
def test_killed_program_leaves_no_process(shape: str, number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES[shape]) as run:
        os.kill(run.program, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_guard_leaves_no_process(shape: str, mark: str) -> None:
    with Guarded(SHAPES[shape]) as run:
        run.guard.kill()
        assert run.end() == -signal.SIGKILL
        eventually(lambda: not marked(mark), SOON_S)


def test_guard_returns_exit_status_of_program() -> None:
    for command, status in (("exit 0", 0), ("exit 41", 41)):
        done = subprocess.run(
            [*PROGRAM, "sh", "-c", command],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == status


def test_daemon_is_ended_after_normal_exit_of_program(mark: str) -> None:
    command = [*PROGRAM, "sh", "-c", "setsid sleep 1000 & exit 5"]
    assert subprocess.run(command, timeout=PATIENCE_S, check=False).returncode == 5
    assert marked(mark) == {}


def test_guard_stops_and_continues_with_program(mark: str) -> None:
    with Guarded(SHAPES["direct"]) as run:
        # Not SIGTSTP: an orphaned process group (of a session leader) ignores it.
        os.kill(run.program, signal.SIGSTOP)
        eventually(lambda: " (stopped)\n" in Path(f"/proc/{run.guard.pid}/status").read_text())
        run.guard.send_signal(signal.SIGCONT)
        run.guard.terminate()
        assert run.end() == 128 + signal.SIGTERM


def test_children_from_before_exec_are_spared(mark: str) -> None:
    shell = f"sleep 1000 & exec {' '.join(PROGRAM)} sh -c 'kill -9 $PPID; sleep 1000'"
    done = subprocess.run(
        ["sh", "-c", shell],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGKILL
    assert list(marked(mark).values()) == ["sleep 1000"]


def test_exit_status_is_known_when_parent_ignored_sigchld() -> None:
    ignoring = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
    command = [*python(ignoring), *PROGRAM, "sh", "-c", "exit 6"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 6, done.stderr


def test_program_has_no_blocked_signals() -> None:
    with Guarded(SHAPES["direct"]) as run:
        status = Path(f"/proc/{run.program}/status").read_text()
        assert "\nSigBlk:\t0000000000000000\n" in status


PID_1 = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return not subprocess.run([*PID_1, "true"], capture_output=True, check=False).returncode


def children(parent: int) -> dict[int, str]:
    """pid -> state letter"""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended during the scan
        if int(ppid) == parent:
            found[int(path.parent.name)] = state
    return found


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make a PID namespace")
class TestPid1:
    def test_sigterm_stops_container_within_a_second(self, mark: str) -> None:
        with Guarded(SHAPES["ignores TERM"], *PID_1) as run:
            (guard,) = children(run.guard.pid)
            os.kill(guard, signal.SIGTERM)
            assert run.guard.wait(1000 * MS) == 128 + signal.SIGTERM
            assert marked(mark) == {}

    def test_foreign_orphans_are_reaped(self) -> None:
        with Guarded(SHAPES["direct"], *PID_1) as run:
            (guard,) = children(run.guard.pid)
            own = children(guard).keys()
            # Like `docker exec`: PID 1 adopts orphans of a shell that the program did not start.
            enter = ["nsenter", f"--target={guard}", "--pid", "--mount", "sh", "-c"]
            subprocess.run([*enter, "(sleep 1000 &) ; (sleep 1000 &)"], check=True)
            assert len(children(guard)) == 3
            for orphan in children(guard).keys() - own:
                os.kill(orphan, signal.SIGKILL)
            eventually(lambda: len(children(guard)) == 1)
