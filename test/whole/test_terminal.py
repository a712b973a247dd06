"""In a terminal: the debugger works in the backend, and Ctrl+C ends all processes."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from test import processes
from test.deadline import MS, PATIENCE_S, eventually
from test.harness import Proxy, backend
from test.pseudo_terminal import Terminal, in_terminal

CTRL_C = "\x03"


def test_backend_has_a_terminal_after_each_restart(project: Path) -> None:
    with in_terminal(project, "debugged.py") as (proxy, terminal):
        shown = terminal.wait_for("a terminal: True True")
        with proxy.restart():
            proxy.save("a.py", "")
        terminal.wait_for("a terminal: True True", shown)
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130


def test_breakpoint_opens_the_debugger(project: Path) -> None:
    with in_terminal(project, "debugged.py") as (proxy, terminal):
        for number in range(2):
            with proxy.connect() as wire:
                wire.send(b"GET /break HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                shown = terminal.wait_for(r"\(Pdb\)", len(terminal.screen))
                terminal.type("answer\n")
                shown = terminal.wait_for("'from the source'", shown)
                terminal.type(f"answer = 'from the debugger {number}'\n")
                shown = terminal.wait_for(r"\(Pdb\)", shown)
                terminal.type("c\n")
                assert wire.response().body == f"from the debugger {number}".encode()
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130


def test_url_is_shown_again_on_a_screen_that_the_server_has_cleared(project: Path) -> None:
    script = "printf '\\033[2J\\033[3J\\033[HLocal: 1\\n'; exec \"$@\""
    proxy = Proxy(project, ["sh", "-c", script, "sh", *backend("echo.py")])
    with Terminal(proxy.arguments, project, proxy.environment) as terminal:
        cleared = terminal.wait_for(r"\x1b\[2J")
        terminal.wait_for(f"open +http://127.0.0.1:{proxy.port}/", cleared)
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130


@pytest.mark.parametrize("victim", ["the program", "the backend"])
def test_terminal_modes_are_restored_after_a_kill(project: Path, victim: str) -> None:
    script = "printf '\\033[?25l\\033[?1049h'; exec \"$@\""
    proxy = Proxy(project, ["sh", "-c", script, "sh", *backend("echo.py")])
    with Terminal(proxy.arguments, project, proxy.environment) as terminal:
        terminal.wait_for("started in")
        backend_pid = proxy.status()["pid"]
        assert backend_pid is not None
        program = int(Path(f"/proc/{backend_pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(program if victim == "the program" else backend_pid, signal.SIGKILL)
        terminal.wait_for(r"\x1b\[\?25h\x1b\[\?1049l")
        if victim == "the backend":
            terminal.type(CTRL_C)
        assert terminal.wait_end() in (130, 137)
    eventually(lambda: not proxy.left_over(), 2000 * MS)


def test_ctrl_c_in_the_debugger_ends_all_processes(project: Path) -> None:
    with in_terminal(project, "debugged.py") as (proxy, terminal), proxy.connect() as wire:
        wire.send(b"GET /break HTTP/1.1\r\nHost: localhost\r\n\r\n")
        terminal.wait_for(r"\(Pdb\)")
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130


def test_ctrl_c_ends_all_processes(project: Path) -> None:
    with in_terminal(project, "echo.py") as (_, terminal):
        terminal.type(CTRL_C)
        assert terminal.wait_end(2000 * MS) == 130


def test_second_ctrl_c_kills_at_once(project: Path) -> None:
    options = ["--kill-signal", "TERM", "--kill-timeout", "60"]
    with in_terminal(project, "ignores_sigterm.py", *options) as (_, terminal):
        terminal.type(CTRL_C)
        with pytest.raises(AssertionError, match="silent"):
            terminal.wait_end(500 * MS)
        terminal.wait_for("waiting for the server to end after SIGTERM, 60 s at most: Ctrl.C kills")
        terminal.type(CTRL_C)
        assert terminal.wait_end(2000 * MS) == 130


def test_ctrl_c_during_a_start_ends_all_processes(project: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    os.mkfifo(token)
    share = ["--share", "http://relay.localhost:9", "--share-token-file", str(token)]
    proxy = Proxy(project, backend("echo.py"), *share)
    with Terminal(proxy.arguments, project, proxy.environment) as terminal:
        writer = eventually(lambda: has_reader(token))
        assert writer is not None
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130
        os.close(writer)
    assert "Traceback" not in terminal.screen
    eventually(lambda: not proxy.left_over(), 2000 * MS)


def has_reader(fifo: Path) -> int | None:
    """A descriptor to write into the FIFO; None while no process reads it."""
    with contextlib.suppress(OSError):
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    return None


def test_terminal_modes_are_restored_at_the_end(project: Path) -> None:
    """After the end the shell echoes its input, also if the backend had switched echo off."""
    proxy = Proxy(project, ["sh", "-c", "stty -echo; echo raw; exec sleep 1000"])
    with Terminal(["sh"], project, proxy.environment) as terminal:
        words = " ".join(f"'{word}'" for word in proxy.arguments)
        terminal.type(f"{words}\n")
        started = terminal.wait_for("http://")  # the text before it is the echo of the command
        terminal.wait_for("raw", started)
        terminal.type(CTRL_C)
        eventually(lambda: len(proxy.left_over()) == 1)  # the shell, which gets the input
        terminal.type("stty -a | tr ' ' '\\n' | grep echo$; exit 7\n")
        assert terminal.wait_end() == 7
        assert "\n-echo" not in terminal.screen.rpartition("exit 7")[2]
    eventually(lambda: not proxy.left_over(), 2000 * MS)


def test_closing_the_terminal_ends_all_processes(project: Path) -> None:
    proxy = Proxy(project, backend("echo.py"))
    try:
        with Terminal(proxy.arguments, project, proxy.environment) as terminal:
            terminal.wait_for("started in")
        eventually(lambda: not proxy.left_over(), PATIENCE_S)
        _, status = os.waitpid(terminal.pid, 0)
        assert os.waitstatus_to_exitcode(status) in (129, -signal.SIGHUP)
    finally:
        processes.kill_marked(proxy.mark)


def test_output_keeps_its_columns(project: Path) -> None:
    """Line ends of the backend are neither bare LF (a staircase) nor doubled."""
    with in_terminal(project, "debugged.py") as (_, terminal):
        terminal.wait_for("a terminal: True True\r\n")
        terminal.type(CTRL_C)
        terminal.wait_end()
        assert terminal.screen.count("a terminal: True True\r\n") == 1
