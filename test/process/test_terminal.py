"""The backend at our terminal, as a user sees it: debugger, colours, keys, job control."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from httpprocessproxy.process.terminal import is_foreground
from test.deadline import PATIENCE_S, eventually
from test.process.generations import python
from test.process.screen import Screen
from test.processes import MARK, kill_marked, marked

# The tests run without and with the guard; the results are the same.
KINDS = ["terminal", "guard-terminal"]
SLEEPER = python("""
import os, time
print("tty", os.isatty(0), os.isatty(1), os.isatty(2), "leads", os.tcgetpgrp(0) == os.getpid())
print("up", flush=True)
time.sleep(1000)
""")
DEBUGGED = python("""
answer = 42
breakpoint()
print("left the debugger with", answer)
""")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    yield request.param
    eventually(lambda: not marked(mark))
    kill_marked(mark)


def program(kind: str, *command: str) -> Screen:
    return Screen([sys.executable, "-m", "test.process.programs", kind, *command])


def test_debugger_works(kind: str) -> None:
    with program(kind, *DEBUGGED) as screen:
        screen.wait_for("(Pdb) ")
        screen.type("answer + 1\n")
        # The input is echoed once: by the pty, not by our terminal as well.
        assert screen.wait_for("(Pdb) ").count("answer + 1") == 1
        screen.type("answer = 7\n")
        screen.wait_for("(Pdb) ")
        screen.type("c\n")
        screen.wait_for("left the debugger with 7")
        screen.wait_for("[exit 0]")
        assert screen.is_canonical


def test_line_editor_gets_single_keys(kind: str) -> None:
    editor = python("import readline; print('got', repr(input('prompt> ')))")
    with program(kind, *editor) as screen:
        screen.wait_for("prompt> ")
        screen.type("abd\x1b[Dc\r")  # the arrow to the left
        screen.wait_for("got 'abcd'")
        screen.wait_for("[exit 0]")


def test_ctrl_d_is_end_of_file(kind: str) -> None:
    with program(kind, "cat") as screen:
        screen.wait_for("program ")
        screen.type("line\n")
        screen.wait_for("line\r\nline\r\n")
        screen.type("\x04")
        screen.wait_for("[exit 0]")


def test_backend_leads_session_on_own_terminal(kind: str) -> None:
    with program(kind, *SLEEPER) as screen:
        screen.wait_for("tty True True True leads True\r\nup\r\n")
        screen.type("\x03")
        screen.wait_for("[exit 130]")


def test_ctrl_c_ends_all_processes_and_restores_terminal(kind: str) -> None:
    with program(kind, "sh", "-c", "trap '' INT TERM; setsid sleep 1000 & echo up; cat") as screen:
        screen.wait_for("up\r\n")
        screen.wait_until_forwarded()
        screen.type("\x03")
        screen.wait_for("[exit 130]")
        assert screen.is_canonical


def test_resize_reaches_backend(kind: str) -> None:
    sizes = python("""
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: print("now", *os.get_terminal_size(), flush=True))
print("first", *os.get_terminal_size(), flush=True)
while True:
    signal.pause()
""")
    with program(kind, *sizes) as screen:
        screen.wait_for("first 80 24")
        screen.wait_until_forwarded()
        screen.resize(50, 132)
        screen.wait_for("now 132 50")
        screen.type("\x03")
        screen.wait_for("[exit 130]")


def test_ctrl_z_restores_terminal_and_fg_takes_it_again(kind: str) -> None:
    with program(kind, "cat") as screen:
        screen.wait_for("program ")
        for _ in range(2):
            screen.type("\x1a")
            screen.wait_for("[stopped by ")
            assert screen.is_canonical
            screen.type("fg\n")
            screen.wait_until_forwarded()
            screen.type("after\n")
            screen.wait_for("after\r\nafter\r\n")
        screen.type("\x03")
        screen.wait_for("[exit 130]")
        assert screen.is_canonical


def test_keys_work_after_ctrl_z_bg_and_fg(kind: str) -> None:
    with program(kind, "cat") as screen:
        screen.wait_for("program ")
        screen.type("\x1a")
        screen.wait_for("[stopped by ")
        screen.type("bg\n")
        screen.wait_for("[background]")
        screen.type("fg\n")
        screen.wait_until_forwarded()
        screen.type("after\n")
        screen.wait_for("after\r\nafter\r\n")
        screen.type("\x03")
        screen.wait_for("[exit 130]")
        assert screen.is_canonical


def test_modes_of_killed_backend_are_undone(kind: str) -> None:
    shown = python(
        "import time; print('\x1b[?1049h\x1b[?25l\x1b[31mup', flush=True); time.sleep(1000)"
    )
    with program(kind, *shown) as screen:
        screen.wait_for("up\r\n")
        screen.wait_until_forwarded()
        screen.type("\x03")
        assert "\x1b[m\x1b[?25h\x1b[?1049l" in screen.wait_for("[exit 130]")


def test_background_job_does_not_touch_terminal(kind: str) -> None:
    echo = python("""
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: print("still here", flush=True))
print("backend", os.getpid(), flush=True)
while True:
    print("got", input(), flush=True)
""")
    with program(kind, *echo) as screen:
        screen.wait_for("backend ")
        backend = int(screen.wait_for("\r\n"))
        screen.wait_until_forwarded()
        screen.type("\x1a")
        screen.wait_for("[stopped by ")
        screen.type("bg\n")
        screen.wait_for("[background]")
        screen.type("for the shell\n")
        screen.wait_for("for the shell\r\n")
        assert screen.is_canonical
        os.kill(backend, signal.SIGUSR1)
        screen.wait_for("still here")
        screen.type("fg\n")
        screen.wait_until_forwarded()
        screen.type("for us\n")
        assert "shell" not in screen.wait_for("got for us")
        screen.type("\x03")
        screen.wait_for("[exit 130]")


def test_backend_may_close_its_standard_streams(kind: str) -> None:
    source = (
        "import os, signal, sys\nos.closerange(0, 3)\nsignal.sigtimedwait([], 0.2)\nos._exit(7)"
    )
    with program(kind, *python(source)) as screen:
        # Closing the pty's master at the end of the output would send SIGHUP: status 255.
        screen.wait_for("[exit 7]")


def test_20000_lines_are_printed_whole(kind: str) -> None:
    with program(kind, "seq", "20000") as screen:
        lines = screen.wait_for("[exit 0]").split("\r\n")
        numbers = [line for line in lines if line.isdigit()]
        assert numbers == [str(number) for number in range(1, 20001)]


def test_terminal_is_not_used_without_one_on_stdin() -> None:
    command = [sys.executable, "-m", "test.process.programs", "terminal", "sh", "-c", "test -t 1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    read_fd, write_fd = os.pipe()
    try:
        assert not is_foreground(read_fd)
    finally:
        os.close(read_fd)
        os.close(write_fd)


def test_guard_restores_terminal_after_kill_of_program() -> None:
    with program("guard-terminal", "sh", "-c", "setsid sleep 1000 & cat") as screen:
        screen.wait_for("program ")
        number = int(screen.wait_for("\r\n"))
        screen.wait_until_forwarded()
        os.kill(number, signal.SIGKILL)
        screen.wait_for(f"[exit {128 + signal.SIGKILL}]")
        assert screen.is_canonical
