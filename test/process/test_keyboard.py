"""Keys at a terminal: shortcuts of the proxy, or input of a real backend on a pty."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from httpprocessproxy.process import Keyboard, linux
from httpprocessproxy.process import terminal_reads as reading
from httpprocessproxy.process.keyboard import READS_ON_S
from test.deadline import eventually
from test.process.generations import python
from test.process.screen import Screen
from test.processes import MARK, children, kill_marked

pytestmark = pytest.mark.skipif(not Keyboard.is_usable(), reason="not supported by the system")

SERVER = python("""
import time
print("up", flush=True)
time.sleep(1000)
""")
# Reads after a signal, like a server that reaches a breakpoint.
READER = python("""
import signal, sys
def read(*_):
    print("reads", flush=True)
    print("got", repr(sys.stdin.readline()), flush=True)
signal.signal(signal.SIGUSR1, read)
print("up", flush=True)
while True:
    signal.pause()
""")
RAW = python("""
import os, sys, tty
tty.setraw(0)
print("up", flush=True)
while (key := os.read(0, 16)) != b"z":
    print("got", repr(key), flush=True)
""")
LEFT_RAW = python("""
import tty
tty.setraw(0)
print("up", flush=True)
""")
BUSY_RAW = python("""
import time, tty
tty.setcbreak(0)
print("up", flush=True)
time.sleep(1000)
""")
REPL = python("""
import sys
print("up", flush=True)
for line in sys.stdin:
    print("got", repr(line), flush=True)
""")
DEBUGGED = python("""
import time
def debugged():
    breakpoint()
    return 42
print("left the debugger with", debugged(), flush=True)
time.sleep(1000)
""")


@pytest.fixture(autouse=True)
def _kill_marked_processes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    yield
    kill_marked(mark)


def program(*command: str) -> Screen:
    """Run the command with shortcuts r and q, each of which prints e.g. "pressed r"."""
    return Screen([sys.executable, "-m", "test.process.programs", "keys", *command])


def up(screen: Screen) -> int:
    """Wait until the backend and the terminal are ready, and return the backend's pid."""
    screen.wait_for("backend ")
    pid = int(screen.wait_for("\r\n"))
    screen.wait_for("up\r\n")
    screen.wait_until_forwarded()
    return pid


def wait_until_read(*pids: int) -> None:
    """Wait until one of these processes reads from its terminal."""
    eventually(
        lambda: any(reading.waits_for(pid, os.readlink(f"/proc/{pid}/fd/0")) for pid in pids)
    )


def quit_by_ctrl_c(screen: Screen) -> None:
    screen.type("\x03")
    screen.wait_for("[exit 130]")


def test_key_is_shortcut_while_backend_does_not_read() -> None:
    with program(*SERVER) as screen:
        up(screen)
        screen.type("r")
        screen.wait_for("pressed r")
        screen.type("q")
        assert "r" not in screen.wait_for("pressed q").replace("pressed", ""), "keys do not echo"
        quit_by_ctrl_c(screen)


@pytest.mark.parametrize("text", ["quit\n", "rq\n", "x", "\x1b[A", "ö"])
def test_other_input_goes_to_backend(text: str) -> None:
    with program(*READER) as screen:
        pid = up(screen)
        for _ in range(2):
            screen.type(text)
            screen.type("\n" * (not text.endswith("\n")))
            os.kill(pid, signal.SIGUSR1)
            screen.wait_for(f"got {text.strip() + chr(10)!r}")
        quit_by_ctrl_c(screen)


def test_started_line_goes_to_backend_until_its_end() -> None:
    with program(*SERVER) as screen:
        up(screen)
        for key in "xrq":
            screen.type(key)
            screen.wait_for(key)
        screen.type("\x7f\x7f\x7f")
        screen.wait_for("\b \b" * 3)
        screen.type("r")
        screen.wait_for("pressed r")
        screen.type("x")
        screen.wait_for("x")
        screen.type("\n")
        screen.wait_for("\n")
        screen.type("q")
        screen.wait_for("pressed q")
        quit_by_ctrl_c(screen)


def test_enter_key_prints_newline_and_keeps_shortcuts() -> None:
    with program(*SERVER) as screen:
        up(screen)
        screen.type("\n")
        screen.wait_for("\n")
        screen.type("\n")
        screen.wait_for("\n")
        screen.type("r")
        assert screen.wait_for("pressed r") == "pressed r"
        quit_by_ctrl_c(screen)


def test_backend_that_reads_gets_every_key() -> None:
    with program(*READER) as screen:
        pid = up(screen)
        os.kill(pid, signal.SIGUSR1)
        screen.wait_for("reads\r\n")
        wait_until_read(pid)
        for key in "rq":
            screen.type(key)
            screen.wait_for(key)
        screen.type("\n")
        assert "pressed" not in screen.wait_for("got 'rq\\n'")
        quit_by_ctrl_c(screen)


def test_backend_that_has_just_read_a_line_gets_the_next() -> None:
    with program(*REPL) as screen:
        wait_until_read(up(screen))
        for _ in range(20):
            screen.type("r")
            screen.type("\n")
        for _ in range(20):
            assert "pressed" not in screen.wait_for("got 'r\\n'")
        quit_by_ctrl_c(screen)


def test_debugger_gets_every_key_and_shortcuts_work_after_it() -> None:
    with program(*DEBUGGED) as screen:
        screen.wait_for("(Pdb) ")
        screen.wait_until_forwarded()
        screen.type("r")  # to the end of the function
        screen.type("\n")
        assert "--Return--" in screen.wait_for("(Pdb) ")
        screen.type("c\n")
        screen.wait_for("left the debugger with 42")
        time.sleep(READS_ON_S + 0.1)  # Until then, it may still read the next line.
        screen.type("r")
        assert screen.wait_for("pressed r") == "\r\npressed r"
        quit_by_ctrl_c(screen)


def test_backend_in_raw_mode_gets_every_key() -> None:
    with program(*RAW) as screen:
        up(screen)
        for key in "rq":
            screen.type(key)
            assert "pressed" not in screen.wait_for(f"got b'{key}'")
        screen.type("z")
        screen.wait_for("[ended]")


def test_busy_backend_with_echo_off_gets_every_key() -> None:
    with program(*BUSY_RAW) as screen:
        up(screen)
        screen.type("r")
        quit_by_ctrl_c(screen)
        # "pressed r" would have been printed before the end.


def test_raw_terminal_of_ended_backend_gets_no_keys() -> None:
    with program(*LEFT_RAW) as screen:
        screen.wait_for("[ended]")
        screen.type("r")
        screen.wait_for("pressed r")
        quit_by_ctrl_c(screen)


def test_grandchild_that_reads_gets_keys() -> None:
    inner = "echo up; read line; echo got $line; exec sleep 1000"
    with program("sh", "-c", f"sh -c '{inner}'; :") as screen:
        wait_until_read(*children(up(screen)))
        screen.type("r")
        screen.type("\n")
        assert "pressed" not in screen.wait_for("got r")
        quit_by_ctrl_c(screen)


def test_failed_start_leaves_shortcuts_working() -> None:
    with program("/nonexistent/server") as screen:
        screen.wait_for("[not started]")
        screen.type("r")
        screen.wait_for("pressed r")
        quit_by_ctrl_c(screen)


def test_key_goes_to_backend_without_permission_to_inspect_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pid: int, terminal: str) -> bool:
        raise PermissionError

    own = linux.find(os.getpid())
    assert own is not None
    monkeypatch.setattr(reading, "waits_for", refuse)
    pressed: list[str] = []
    master_fd, slave_fd = os.openpty()
    try:
        assert not Keyboard("r", pressed.append, lambda: [own]).takes(b"r", slave_fd)
    finally:
        os.close(master_fd)
        os.close(slave_fd)
    assert pressed == []
