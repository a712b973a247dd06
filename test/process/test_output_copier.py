"""Three services at one terminal: all of them as one stream, and each alone."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpprocessproxy.process import Keyboard
from httpprocessproxy.process.keyboard import READS_ON_S
from test.deadline import PATIENCE_S, eventually
from test.process.generations import python
from test.process.screen import Screen
from test.processes import MARK, kill_marked, marked

needs_reads = pytest.mark.skipif(not Keyboard.is_usable(), reason="not supported by the system")

SILENT = "exec sleep 1000"
DEBUGGED = python("""
import time
answer = 42
breakpoint()
print("left the debugger with", answer, flush=True)
time.sleep(1000)
""")
# Prints the size of its terminal at each change.
SIZES = python("""
import os, signal
def show(*_):
    print("size", *os.get_terminal_size(), flush=True)
signal.signal(signal.SIGWINCH, show)
show()
while True:
    signal.pause()
""")
# Like Vite: it polls for keys of its own, among other events.
POLLS = python("""
import os, select
print("ready", flush=True)
read_fd, _ = os.pipe()
select.select([0, read_fd], [], [])
""")
FULL_SCREEN = python("""
import os, signal, sys
def draw(*_):
    print("\\x1b[H\\x1b[2Jdrawn", *os.get_terminal_size(), end="", flush=True)
signal.signal(signal.SIGWINCH, draw)
print("before", flush=True)
print("\\x1b[?1049h\\x1b[?25l", end="")
draw()
while True:
    signal.pause()
""")


@pytest.fixture(autouse=True)
def _kill_marked_processes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    mark = f"{request.node.name} {os.getpid()}"
    monkeypatch.setenv(MARK, mark)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    yield
    eventually(lambda: not marked(mark))
    kill_marked(mark)


def program(db: str, api: str = SILENT, worker: str = SILENT) -> list[str]:
    """Run three services by these shell commands, with the shortcuts r, 0, 1, 2 and 3."""
    command = [sys.executable, "-m", "test.process.programs", "several"]
    return [*command, db, "--", api, "--", worker]


def run(command: tuple[str, ...]) -> str:
    return f"exec {shlex.join(command)}"


def end(screen: Screen) -> str:
    screen.wait_until_forwarded()
    screen.type("\x03")
    return screen.wait_for("[exit 130]")


def test_lines_have_prefixes_on_both_streams() -> None:
    command = program("echo out; echo err >&2", "printf 'no end'", "printf '1\\n2\\n'")
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True)
    assert sorted(done.stdout.splitlines()) == [
        b"api    | no end",
        b"db     | out",
        b"worker | 1",
        b"worker | 2",
    ]
    assert b"db     | err\n" in done.stderr


# Its lines are cut at random, between two system calls.
FLOOD = """
import os, random, sys
letter, chance = sys.argv[1], random.Random(sys.argv[1])
text = "".join(f"<{letter * chance.randrange(200)}>\\n" for _ in range(5000)).encode()
while text:
    size = chance.randrange(1, 5000)
    os.write(1, text[:size])
    text = text[size:]
"""


def test_output_of_two_services_is_never_within_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with open(path, "wb") as log:
        command = program(*(run(python(FLOOD, letter)) for letter in "abc"))
        subprocess.run(command, stdout=log, stderr=log, timeout=PATIENCE_S, check=True)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("services ")]
    for name, letter in zip(("db    ", "api   ", "worker"), "abc", strict=True):
        own = [line for line in lines if line.startswith(f"{name} | ")]
        # A program that pauses within a line lets others print; then its line begins again.
        text = "".join(line[9:] for line in own)
        assert re.fullmatch(f"(<{letter}*>){{5000}}", text)


def test_progress_is_shown_while_it_goes_on() -> None:
    bar = "for i in 1 2 3 4 5 6 7 8 9; do printf '\\r%s%%' $i; sleep 0.05; done; exec sleep 1000"
    with Screen(program(bar)) as screen:
        shown = screen.wait_for("\rdb     | 9%")
        assert "\rdb     | 5%" in shown
        end(screen)


def test_prefixes_have_colours_in_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    with Screen(program("echo one")) as screen:
        screen.wait_for("\x1b[36mdb     |\x1b[m one\r\n")
        end(screen)
    done = subprocess.run(
        program("echo one", ":", ":"), capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == b"db     | one\n"


@needs_reads
def test_debugger_is_named_and_works_by_its_key() -> None:
    ticks = "while :; do echo tick; sleep 0.05; done"
    with Screen(program(ticks, run(DEBUGGED))) as screen:
        assert "api    | (Pdb) " in screen.wait_for("api    | waits\r\n")
        screen.type("r")
        screen.wait_for("pressed r")
        screen.type("2")
        # The prompt is shown again, with the room that the prefix has taken.
        screen.wait_for("api alone; 0 or Ctrl+] shows all\r\n(Pdb) ")
        screen.type("answer = 7\n")
        screen.wait_for("answer = 7\r\n(Pdb) ")
        screen.type("c\n")
        shown = screen.wait_for("left the debugger with 7\r\n")
        assert "tick" not in shown
        time.sleep(READS_ON_S + 0.1)  # Until then, it may still read the next line.
        screen.type("0")
        screen.wait_for("all services; lines hidden meanwhile: db ")
        screen.wait_for("db     | tick\r\n")
        end(screen)


@needs_reads
@pytest.mark.parametrize(
    ("command", "is_named"),
    [
        (run(python("input('name? ')")), True),
        ("echo ready; read line", True),
        (run(POLLS), False),
        ("echo ready; sleep 1000", False),
    ],
)
def test_service_that_reads_its_terminal_is_named(command: str, is_named: bool) -> None:
    # The second one is named a second after the first, when it is looked at again.
    with Screen(program(command, "echo ready; sleep 0.7; read line")) as screen:
        shown = screen.wait_for("api    | waits\r\n")
        if is_named and "db     | waits" not in shown:
            screen.wait_for("db     | waits\r\n")
        assert is_named or "db     | waits" not in shown + end(screen)
        if is_named:
            end(screen)


@needs_reads
def test_service_that_draws_its_prompt_again_is_named_once_until_it_is_shown() -> None:
    menu = python("""
import select
print("menu", end="", flush=True)
while not select.select([0], [], [], 0.3)[0]:
    print("\\rmenu", end="", flush=True)
print("\\nchosen", flush=True)
select.select([], [], [])
""")
    with Screen(program(run(menu), "read x; echo asks; read x")) as screen:
        screen.wait_for("db     | waits\r\n")
        screen.wait_until_forwarded()
        screen.type("2")
        screen.wait_for("api alone")
        screen.type("\n")
        screen.wait_for("asks\r\n")
        screen.type("\x1d")
        assert "db     | waits" not in screen.wait_for("api    | waits\r\n")
        screen.type("1")
        screen.wait_for("db alone")
        screen.type("\x1d")
        screen.wait_for("db     | waits\r\n")
        end(screen)


def test_terminal_of_a_service_is_narrower_until_it_is_shown_alone() -> None:
    with Screen(program(run(SIZES))) as screen:
        screen.wait_for("db     | size 71 24\r\n")
        screen.wait_until_forwarded()
        screen.resize(30, 100)
        screen.wait_for("db     | size 91 30\r\n")
        screen.type("1")
        screen.wait_for("shows all\r\nsize 100 30\r\n")
        screen.type("0")
        screen.wait_for("all services\r\ndb     | size 91 30\r\n")
        end(screen)


def test_full_screen_program_draws_when_it_is_shown_alone() -> None:
    with Screen(program(run(FULL_SCREEN), "echo other")) as screen:
        shown = screen.wait_for("before\r\n")
        screen.wait_until_forwarded()
        screen.type("1")
        shown += screen.wait_for("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2Jdrawn 80 24")
        assert "drawn 71" not in shown, "it has no part in the lines of all services"
        screen.type("\x1d")
        screen.wait_for("\x1b[?25h\x1b[?1049l\r\nall services\r\n")
        end(screen)


def test_keys_go_to_no_service_while_all_are_shown() -> None:
    with Screen(program("cat", "cat")) as screen:
        screen.wait_for("services ")
        screen.wait_for("\r\n")
        screen.wait_until_forwarded()
        screen.type("\r")
        assert screen.wait_for("\r\n") == "\r\n", "Enter prints an empty line"
        screen.type("2")
        screen.wait_for("shows all\r\n")
        screen.type("line\n")
        screen.wait_for("line\r\nline\r\n")
        screen.type("\x1d")
        screen.wait_for("all services\r\n")
        screen.type("r")
        assert screen.wait_for("pressed r") == "pressed r"
        end(screen)


def test_keys_of_a_service_that_has_ended_are_shortcuts() -> None:
    raw = python("import tty; tty.setraw(0); print('up', flush=True)")
    with Screen(program(run(raw))) as screen:
        screen.wait_for("services ")
        pid = screen.wait_for("\r\n").split()[0]
        screen.wait_until_forwarded()
        eventually(lambda: not Path(f"/proc/{pid}").exists())
        screen.type("1")
        screen.wait_for("shows all\r\n")
        screen.type("r")
        screen.wait_for("pressed r")
        screen.type("0")
        screen.wait_for("all services\r\n")
        end(screen)


def test_terminal_is_taken_again_after_ctrl_z() -> None:
    with Screen(program("cat", "cat")) as screen:
        screen.wait_for("services ")
        screen.wait_until_forwarded()
        screen.type("1")
        screen.wait_for("shows all\r\n")
        screen.type("\x1a")
        screen.wait_for(f"[stopped by {signal.SIGTSTP.value}]")
        assert screen.is_canonical
        screen.type("fg\n")
        screen.wait_until_forwarded()
        screen.type("after\n")
        screen.wait_for("after\r\nafter\r\n")
        end(screen)
        assert screen.is_canonical
