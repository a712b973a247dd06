"""README.rst is true: its state table is the program's, its options are those of --help."""

import re
import subprocess
import sys
from pathlib import Path

from httpprocessproxy.core.state import (
    REQUESTS,
    TRANSITIONS,
    Changed,
    Event,
    Exited,
    Ignored,
    Impossible,
    Ready,
    Row,
    State,
)

README = (Path(__file__).parent.parent / "README.rst").read_text()
COLUMNS: tuple[type[Event], ...] = (Changed, Ready, Exited)


def cell(row: Row) -> str:
    if isinstance(row, Ignored):
        return "ignored"
    if isinstance(row, Impossible):
        return "impossible"
    return f"{row.state.name}, {row.command.name}"


def test_the_state_table_is_the_machine() -> None:
    table = README.split(".. state table")[1].split("``GET /_hpp/status``")[0]
    rows = [re.split(r"  +| (?=hold|forward|refuse)", line) for line in table.splitlines()]
    shown = [row for row in rows if row[0] in State.__members__]
    assert shown == [
        [
            state.name,
            REQUESTS[state].name.lower(),
            *(cell(TRANSITIONS[state][event]) for event in COLUMNS),
        ]
        for state in State
    ]


def test_every_option_is_described() -> None:
    command = [sys.executable, "-m", "httpprocessproxy", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    assert len(options) > 10
    missing = {option for option in options if f"``{option}" not in README}
    # Of what is on or off, the table has the form that changes something.
    assert {option for option in missing if opposite(option) not in options - missing} == set()


def opposite(option: str) -> str:
    bare = option.removeprefix("--no-")
    return f"--{bare}" if bare != option else f"--no-{option.removeprefix('--')}"
