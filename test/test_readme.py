"""README.rst against the program: its state table, its options, its pictures and links."""

import re
import subprocess
import sys
import tomllib
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

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()
COLUMNS: tuple[type[Event], ...] = (Changed, Ready, Exited)


def cell(row: Row) -> str:
    if isinstance(row, Ignored):
        return "ignored"
    if isinstance(row, Impossible):
        return "impossible"
    return f"{row.state.name}, {row.command.name}"


def test_state_table_equals_the_state_machine() -> None:
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
    # For a flag, the table has only the form that changes the default.
    assert {option for option in missing if opposite(option) not in options - missing} == set()


def opposite(option: str) -> str:
    bare = option.removeprefix("--no-")
    return f"--{bare}" if bare != option else f"--no-{option.removeprefix('--')}"


def test_pictures_exist_and_have_an_alternative_text() -> None:
    pictures = re.findall(r"^\.\. image:: (\S+)\n   :alt: \S", README, re.MULTILINE)
    assert len(pictures) == README.count(".. image::") > 3
    assert [path for path in pictures if not (ROOT / path).is_file()] == []


def test_page_on_pypi_has_no_picture_or_link_by_a_path() -> None:
    """PyPI would look for them below its own address."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = README
    for each in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page, count = re.subn(each["pattern"], each["replacement"], page)
        assert count
    assert not re.findall(r"\.\. image::|:alt:|<test/", page)
    targets = re.findall(r"`[^`<]+<([^>`]+)>`_", page)
    assert targets
    assert all(target.startswith("https://") for target in targets)
    # The text around the pictures is unchanged.
    headings = r"^[^\n]+\n[-=~]{3,}$"
    assert re.findall(headings, page, re.MULTILINE) == re.findall(headings, README, re.MULTILINE)
    assert len(page) > 0.98 * len(README)
