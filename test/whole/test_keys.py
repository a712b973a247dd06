"""Keys in the terminal: the backend gets them while it reads, else the proxy."""

import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import Keyboard
from test import processes
from test.deadline import MS, eventually
from test.harness import Proxy
from test.pseudo_terminal import Terminal, in_terminal
from test.wire import Wire

pytestmark = pytest.mark.skipif(not Keyboard.is_usable(), reason="the system does not tell")

BREAK = b"GET /break HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def quit_by_key(terminal: Terminal) -> None:
    terminal.type("q")
    assert terminal.wait_end(2000 * MS) == 0


def stop_in_the_debugger(terminal: Terminal, wire: Wire) -> int:
    wire.send(BREAK)
    return terminal.wait_for(r"\(Pdb\) ", len(terminal.screen))


def test_key_r_restarts_the_server(project: Path) -> None:
    with in_terminal(project, "echo.py") as (proxy, terminal):
        with proxy.restart():
            terminal.type("r")
        terminal.wait_for(r"restarted in \d+ ms: asked for by the keyboard\r\n")
        quit_by_key(terminal)


def test_key_r_starts_a_crashed_server(project: Path) -> None:
    proxy = Proxy(project, ["sh", "-c", "test -e fixed && exec sleep 1000; exit 3"])
    with Terminal(proxy.arguments, project, proxy.environment) as terminal:
        shown = terminal.wait_for("exited with status 3, after .*: waiting for a change\r\n")
        terminal.type("r")
        terminal.wait_for("exited with status 3, after .*: waiting for a change\r\n", shown)
        quit_by_key(terminal)
    eventually(lambda: not proxy.left_over(), 2000 * MS)


def test_key_q_quits_and_leaves_no_process(project: Path) -> None:
    with in_terminal(project, "debugged.py") as (_, terminal):
        quit_by_key(terminal)


def test_start_lines_name_the_key_for_help(project: Path) -> None:
    with in_terminal(project, "echo.py") as (_, terminal):
        assert "? for help" in terminal.screen
        terminal.type("?")
        terminal.wait_for("  r  restart the server\r\n")
        terminal.wait_for("  q  quit\r\n")
        quit_by_key(terminal)


def test_key_c_clears_the_screen(project: Path) -> None:
    with in_terminal(project, "echo.py") as (_, terminal):
        shown = len(terminal.screen)
        terminal.type("c")
        end = terminal.wait_for(r"\x1b\[H\x1b\[2J", shown)
        assert terminal.screen[shown:end] == "\x1b[H\x1b[2J", "keys do not echo"
        quit_by_key(terminal)


def test_key_o_opens_a_browser_that_outlives_the_proxy(project: Path, tmp_path: Path) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho noise\necho "$1" $$ > {seen}~\nmv {seen}~ {seen}\n')
    with browser.open("a") as file:
        file.write("exec sleep 1000\n")
    browser.chmod(0o755)
    with in_terminal(project, "echo.py", BROWSER=str(browser)) as (proxy, terminal):
        terminal.type("o")
        eventually(seen.exists)
        url, number = seen.read_text().split()
        assert url == f"{proxy.url}/"
        with proxy.restart():
            terminal.type("r")
        terminal.wait_for("restarted in")
        quit_by_key(terminal)
        assert "noise" not in terminal.screen
        left = proxy.left_over()
        assert int(number) in left, "the browser may have other pages"
        processes.kill_marked(proxy.mark)


def test_debugger_gets_all_keys(project: Path) -> None:
    with in_terminal(project, "debugged.py") as (proxy, terminal):
        with proxy.connect() as wire:
            shown = stop_in_the_debugger(terminal, wire)
            for key in "?\n":  # the debugger's help
                terminal.type(key)
            shown = terminal.wait_for("Documented commands", shown)
            shown = terminal.wait_for(r"\(Pdb\) ", shown)
            for key in "c\n":
                terminal.type(key)
            assert wire.response().body == b"from the source"
        assert "\x1b[2J" not in terminal.screen
        terminal.type("\x03")
        assert terminal.wait_end() == 130


def test_http_server_of_python_leaves_the_keys_to_the_proxy(project: Path) -> None:
    command = ["-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    proxy = Proxy(project, [sys.executable, *command])
    with Terminal(proxy.arguments, project, proxy.environment) as terminal:
        shown = terminal.wait_for("started in")
        terminal.type("r")
        terminal.wait_for("restarted in", shown)
        quit_by_key(terminal)
    eventually(lambda: not proxy.left_over(), 2000 * MS)
