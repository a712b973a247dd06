"""The guard and the program as one: signals, exit statuses, and nothing left when one is killed."""

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
from test.terminal import Terminal

PROGRAM = [sys.executable, "-m", "test.process.programs", "guard"]
# "docker stop" waits ten seconds; we want one.
SOON_S = 2000 * MS


@pytest.fixture
def mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    yield mark
    kill_marked(mark)


class Guarded:
    """A running program under its guard. Used as a context manager."""

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
        told = next(line for line in lines if line.startswith(b"program "))
        self.program = int(told.removeprefix(b"program "))
        assert self.guard.stdout.readline() == b"up\n"

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self.guard.pid, self.program):
            # Stopped, it would not even see the other's end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.guard.kill()
        with self.guard:
            pass  # Closes the pipes, whoever still holds them.

    def end(self) -> int:
        """Its exit status, soon."""
        return self.guard.wait(SOON_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_guard_ends_all(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        run.guard.send_signal(number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_program_ends_all(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        os.kill(run.program, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_group_ends_all(number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES["setsid"]) as run:
        os.killpg(run.guard.pid, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


def test_ctrl_c_before_there_is_a_program_ends_all(mark: str) -> None:
    """The terminal sends it to the guard alone, as nobody else is there."""
    command = [*PROGRAM[:-1], "interrupted-guard", "sleep", "1000"]
    with Terminal(command, Path.cwd(), os.environ) as terminal:
        terminal.wait_for("about to fork")
        terminal.type("\x03")
        assert terminal.wait_end() != 0
    assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("shape", SHAPES)
def test_killing_the_program_leaves_nothing(shape: str, number: signal.Signals, mark: str) -> None:
    with Guarded(SHAPES[shape]) as run:
        os.kill(run.program, number)
        assert run.end() == 128 + number
        assert marked(mark) == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_killing_the_guard_leaves_nothing(shape: str, mark: str) -> None:
    with Guarded(SHAPES[shape]) as run:
        run.guard.kill()
        assert run.end() == -signal.SIGKILL
        eventually(lambda: not marked(mark), SOON_S)


def test_the_exit_status_is_the_program_s() -> None:
    for command, status in (("exit 0", 0), ("exit 41", 41)):
        done = subprocess.run(
            [*PROGRAM, "sh", "-c", command],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == status


def test_a_daemon_of_a_program_that_ended_well_is_ended(mark: str) -> None:
    command = [*PROGRAM, "sh", "-c", "setsid sleep 1000 & exit 5"]
    assert subprocess.run(command, timeout=PATIENCE_S, check=False).returncode == 5
    assert marked(mark) == {}


def test_stop_and_continue_through_the_guard(mark: str) -> None:
    with Guarded(SHAPES["direct"]) as run:
        # Not SIGTSTP: nobody could continue a session leader's orphaned group by keyboard.
        os.kill(run.program, signal.SIGSTOP)
        eventually(lambda: " (stopped)\n" in Path(f"/proc/{run.guard.pid}/status").read_text())
        run.guard.send_signal(signal.SIGCONT)
        run.guard.terminate()
        assert run.end() == 128 + signal.SIGTERM


def test_what_was_there_before_us_is_spared(mark: str) -> None:
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


def test_an_ignored_sigchld_loses_no_status() -> None:
    ignoring = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
    command = [*python(ignoring), *PROGRAM, "sh", "-c", "exit 6"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 6, done.stderr


def test_the_program_s_signals_are_not_blocked() -> None:
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
            continue  # it ended while we looked
        if int(ppid) == parent:
            found[int(path.parent.name)] = state
    return found


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make a PID namespace")
class TestPid1:
    def test_it_stops_soon(self, mark: str) -> None:
        with Guarded(SHAPES["ignores TERM"], *PID_1) as run:
            (guard,) = children(run.guard.pid)
            os.kill(guard, signal.SIGTERM)
            assert run.guard.wait(1000 * MS) == 128 + signal.SIGTERM
            assert marked(mark) == {}

    def test_it_reaps_strangers(self) -> None:
        with Guarded(SHAPES["direct"], *PID_1) as run:
            (guard,) = children(run.guard.pid)
            own = children(guard).keys()
            # As `docker exec`: not below the program, so the orphans are PID 1's.
            enter = ["nsenter", f"--target={guard}", "--pid", "--mount", "sh", "-c"]
            subprocess.run([*enter, "(sleep 1000 &) ; (sleep 1000 &)"], check=True)
            assert len(children(guard)) == 3
            for stranger in children(guard).keys() - own:
                os.kill(stranger, signal.SIGKILL)
            eventually(lambda: len(children(guard)) == 1)
