"""The guard and the program as one: signals, exit statuses, and nothing left when one is killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from test.deadline import MS, PATIENCE_S, eventually
from test.process.generations import python
from test.process.test_tree import SHAPES
from test.processes import MARK, kill_marked, marked

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
        self.program = int(self.guard.stderr.readline().removeprefix(b"program "))
        assert self.guard.stdout.readline() == b"up\n"

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        self.guard.kill()
        self.guard.communicate()

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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("shape", SHAPES)
def test_killing_the_program_leaves_nothing(
    shape: str, number: signal.Signals, mark: str
) -> None:
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
        _, status = os.waitpid(run.guard.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
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
    ignoring = "trap '' CHLD; exec \"$@\""
    command = ["bash", "-c", ignoring, "bash", *PROGRAM, "sh", "-c", "exit 6"]
    source = "import os, signal, sys; signal.signal(17, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", source, *PROGRAM, "sh", "-c", "exit 6"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 6, done.stderr


def test_the_program_s_signals_are_not_blocked() -> None:
    mask = python(
        "import sys; sys.exit(open(f'/proc/{sys.argv[1]}/status').read().count('SigBlk:\\t0000000000000000') != 1)",
    )
    command = ["sh", "-c", '"$@" $PPID', "sh", *mask]
    assert subprocess.run([*PROGRAM, *command], timeout=PATIENCE_S, check=False).returncode == 0


def can_unshare() -> bool:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return shutil.which("unshare") is not None and not subprocess.run(
        command, stderr=subprocess.DEVNULL, check=False
    ).returncode


ORPHANS = """
import os, re, time
for _ in range(5):
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.05)
        os._exit(0)
    os.wait()
print("up", flush=True)
time.sleep(1000)
"""


@pytest.mark.skipif(not can_unshare(), reason="needs the right to make a PID namespace")
class TestPid1:
    BEFORE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

    def inside(self, run: Guarded) -> int:
        """The guard's number out here: the child of `unshare`."""
        for directory in os.listdir("/proc"):
            if directory.isdigit():
                try:
                    with open(f"/proc/{directory}/status", encoding="ascii") as status:
                        text = status.read()
                except FileNotFoundError:
                    continue
                if f"\nPPid:\t{run.guard.pid}\n" in text:
                    assert "\t1\n" in text.partition("NSpid:")[2].partition("\nNS")[0] + "\n"
                    return int(directory)
        raise AssertionError("no guard")

    def test_it_stops_soon(self, mark: str) -> None:
        with Guarded(SHAPES["ignores TERM"], *self.BEFORE) as run:
            begun = time.monotonic()
            os.kill(self.inside(run), signal.SIGTERM)
            assert run.end() == 128 + signal.SIGTERM
            assert time.monotonic() - begun < 1000 * MS
            eventually(lambda: not marked(mark))

    def test_it_reaps_strangers(self, mark: str) -> None:
        with Guarded(python(ORPHANS), *self.BEFORE) as run:
            # guard, program, backend, and unshare itself
            eventually(lambda: len(re.findall(mark, "".join([mark] * len(marked(mark))))) == 4)
            eventually(lambda: zombies_below(run.guard.pid) == 0)


def zombies_below(root: int) -> int:
    parents: dict[int, tuple[int, str]] = {}
    for directory in os.listdir("/proc"):
        if directory.isdigit():
            try:
                with open(f"/proc/{directory}/stat", encoding="utf-8") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            parents[int(directory)] = int(fields[1]), fields[0]
    below = {root}
    while more := {pid for pid, (parent, _) in parents.items() if parent in below} - below:
        below |= more
    return sum(parents[pid][1] == "Z" for pid in below if pid in parents)
