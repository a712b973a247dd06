"""What the terminal shows of the feed, of the start and of what is logged."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import Address, Config
from httpprocessproxy.events import Event, EventBus, RequestEnded, StateChanged, members
from httpprocessproxy.terminal.console import Console
from test.messages import RESTART, notice, request, state

CONFIG = Config(Address("localhost", 8000), Address("localhost", 8001), ("serve", "--it"))
DASHBOARD = ["http://hpp.localhost:8000/", "http://localhost:8002/"]
RUNNING = state("running", "loading", paths=["a.py"], restart=RESTART)
CRASH = state("error", "loading", why="exited with status 1, after 80 ms", returncode=1)


class Shown:
    """A console, a feed, and what was written."""

    def __init__(self, config: Config = CONFIG, *, has_keys: bool = True) -> None:
        self.lines: list[str] = []
        self.bus = EventBus()
        self.console = Console(config, self.lines.append, has_keys=has_keys)

    def tell(self, *events: Event) -> list[str]:
        with self.console.listening(self.bus):
            for event in events:
                self.bus.publish(event)
        return self.lines


def test_the_start_says_where_all_is() -> None:
    shown = Shown()
    urls = ["http://localhost:8000/", "http://10.0.0.7:8000/"]
    shown.console.start(urls, DASHBOARD, "Watchman 4.9.0: its socket answers", 35729)
    assert "\n".join(shown.lines).partition("\n")[2] == (
        "  open        http://localhost:8000/\n"
        "  open        http://10.0.0.7:8000/\n"
        "  dashboard   http://hpp.localhost:8000/ or http://localhost:8002/\n"
        "  server      localhost:8001: serve --it\n"
        "  watching    **/*\n"
        "  watcher     Watchman 4.9.0: its socket answers\n"
        "  LiveReload  port 35729\n"
        "  keys        ? for help"
    )


def test_the_start_has_notes_in_front_of_the_keys() -> None:
    shown = Shown()
    notes = {"certificate": "by me", "trust": "so:\n    this"}
    shown.console.start(["https://localhost:8000/"], DASHBOARD, "a watcher", 0, notes)
    assert shown.lines[0].splitlines()[-4:] == [
        "  certificate by me",
        "  trust       so:",
        "    this",
        "  keys        ? for help",
    ]


def test_the_start_says_only_what_there_is() -> None:
    shown = Shown(replace(CONFIG, patterns=("*.py",) * 5, refresh=("*.css",)), has_keys=False)
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    (block,) = shown.lines
    assert "LiveReload" not in block
    assert "keys" not in block
    assert "\n  watching    *.py, *.py, *.py and 2 more\n" in block
    assert "\n  refreshing  *.css\n" in block


def test_the_start_fits_into_80_columns() -> None:
    shown = Shown(replace(CONFIG, command=("serve", "x" * 200)))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert max(map(len, shown.lines[0].splitlines())) <= 80


def test_one_line_for_what_matters() -> None:
    loading = state("loading", why="first start")
    assert Shown().tell(loading, RUNNING, CRASH, notice("beware")) == [
        "restarted in 214 ms: a.py",
        "exited with status 1, after 80 ms: waiting for a change",
        "beware",
    ]


def test_quiet_shows_errors_and_warnings() -> None:
    shown = Shown(replace(CONFIG, quiet=True, log_requests=True))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert shown.tell(RUNNING, request(), notice("beware"), CRASH) == [
        "beware",
        "exited with status 1, after 80 ms: waiting for a change",
    ]


def test_requests_are_shown_if_wanted() -> None:
    assert Shown().tell(request()) == []
    shown = Shown(replace(CONFIG, log_requests=True))
    assert shown.tell(request(ended=False), request()) == ["GET /path 200 12 ms 3.4 kB"]


def test_nobody_makes_requests_for_us_unless_they_are_wanted() -> None:
    shown = Shown()
    with shown.console.listening(shown.bus):
        assert not shown.bus.is_wanted(RequestEnded)
    assert not shown.bus.is_wanted(StateChanged)


def test_json_has_every_message_in_a_line() -> None:
    shown = Shown(replace(CONFIG, json_logs=True, log_requests=True))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    shown.tell(state("loading"), RUNNING, CRASH, request(ended=False), request(), notice("a\nb"))
    shown.console.show("help")
    lines = [json.loads(line) for line in shown.lines]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("start", "info"),
        ("state", "info"),
        ("state", "info"),
        ("state", "error"),
        ("request", "info"),
        ("notice", "warning"),
        ("answer", "info"),
    ]
    assert not [line for line in shown.lines if "\n" in line]
    assert lines[0]["urls"] == ["http://localhost:8000/"]
    assert lines[2]["restart"] == members(RESTART)
    assert lines[2]["time"] == RUNNING.time
    assert all("time" in line and "type" not in line for line in lines)


@pytest.mark.parametrize("debug", [False, True])
def test_what_is_logged_is_shown(debug: bool) -> None:
    shown = Shown(replace(CONFIG, debug=debug))
    log = logging.getLogger("some.library")
    with shown.console.listening(shown.bus):
        log.warning("%s is odd", "this")
        log.debug("a detail")
    log.warning("nobody listens any more")
    assert shown.lines == ["some.library: this is odd", *["some.library: a detail"] * debug]


def test_what_is_logged_is_json_as_well() -> None:
    shown = Shown(replace(CONFIG, json_logs=True))
    with shown.console.listening(shown.bus):
        logging.getLogger("some.library").error("odd")
    line = json.loads(shown.lines[0])
    assert (line["event"], line["level"], line["text"]) == ("log", "error", "some.library: odd")


def test_json_lines_escape_controls_that_steer_a_terminal() -> None:
    shown = Shown(replace(CONFIG, json_logs=True))
    name = "a\x7f\x80\x9b31m\x9f\u061c\u200e\u200f\u202a\u202e\u2066\u2069.py"
    (line,) = shown.tell(notice(name))
    assert json.loads(line)["text"] == name
    assert line.isascii()


def test_json_lines_keep_other_letters() -> None:
    shown = Shown(replace(CONFIG, json_logs=True))
    (line,) = shown.tell(notice("größe\u00a0日本.py"))
    assert "größe\u00a0日本.py" in line


def test_the_start_says_which_configuration_file_was_read() -> None:
    shown = Shown(replace(CONFIG, file=Path("pyproject.toml")))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert "  configured  pyproject.toml\n" in "\n".join(shown.lines)
