"""Lines in the terminal: messages of the event bus, the start lines, and log records."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import (
    Address,
    Config,
    ListenConfig,
    ServiceConfig,
    TerminalConfig,
    WatchConfig,
)
from httpprocessproxy.events import Event, EventBus, Notice, RequestEnded, StateChanged, members
from httpprocessproxy.terminal.console import Console
from test.messages import RESTART, notice, request, state

SERVICE = ServiceConfig(Address("localhost", 8001), ("serve", "--it"))
CONFIG = Config(ListenConfig(Address("localhost", 8000)), (SERVICE,))
DASHBOARD = ["http://hpp.localhost:8000/", "http://localhost:8002/"]
RUNNING = state("running", "loading", paths=["a.py"], restart=RESTART)
CRASH = state("error", "loading", why="exited with status 1, after 80 ms", returncode=1)


class Shown:
    """A console, an event bus, and the lines that were written."""

    def __init__(self, config: Config = CONFIG, *, has_keys: bool = True) -> None:
        self.lines: list[str] = []
        self.services: list[tuple[str | None, bool]] = []
        self.bus = EventBus()
        self.console = Console(config, self.write, has_keys=has_keys)

    def write(self, text: str, service: str | None = None, *, is_important: bool = False) -> None:
        self.lines.append(text)
        self.services.append((service, is_important))

    def publish(self, *events: Event) -> list[str]:
        with self.console.listening(self.bus):
            for event in events:
                self.bus.publish(event)
        return self.lines


def test_start_lines_name_addresses_and_files() -> None:
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


def test_start_lines_have_notes_before_the_keys() -> None:
    shown = Shown()
    notes = {"certificate": "by me", "trust": "so:\n    this"}
    shown.console.start(["https://localhost:8000/"], DASHBOARD, "a watcher", 0, notes)
    assert shown.lines[0].splitlines()[-4:] == [
        "  certificate by me",
        "  trust       so:",
        "    this",
        "  keys        ? for help",
    ]


def test_start_lines_omit_absent_parts() -> None:
    service = replace(SERVICE, watch=WatchConfig(patterns=("*.py",) * 5, refresh=("*.css",)))
    shown = Shown(replace(CONFIG, services=(service,)), has_keys=False)
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    (block,) = shown.lines
    assert "LiveReload" not in block
    assert "keys" not in block
    assert "\n  watching    *.py, *.py, *.py and 2 more\n" in block
    assert "\n  refreshing  *.css\n" in block


SEVERAL = replace(
    CONFIG,
    services=(
        replace(SERVICE, name="db", routes=(), watch=WatchConfig(restarts=False)),
        replace(SERVICE, name="api", command=("x" * 200,), watch=WatchConfig(refresh=("*.css",))),
    ),
)


def test_start_lines_name_several_services_with_their_keys() -> None:
    shown = Shown(SEVERAL)
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    lines = shown.lines[0].splitlines()
    assert lines[3:7] == [
        "  services    1  db   localhost:8001: serve --it",
        f"              2  api  http://localhost:8000/  localhost:8001: {'x' * 13}...",
        "  watching    **/*",
        "  refreshing  *.css",
    ]
    assert max(map(len, lines)) <= 80
    shown = Shown(SEVERAL, has_keys=False)
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert "  services    db   localhost:8001: serve --it\n" in shown.lines[0]


def test_line_about_a_service_names_it_and_its_importance() -> None:
    shown = Shown(SEVERAL)
    shown.publish(state("running", "loading", service="api", restart=RESTART), notice("beware"))
    shown.publish(Notice(service="db", text="waits"))
    assert shown.services == [("api", False), (None, True), ("db", True)]


def test_json_logs_name_the_service() -> None:
    json_logs = replace(SEVERAL, terminal=TerminalConfig(json_logs=True, log_requests=True))
    shown = Shown(json_logs)
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    shown.publish(state("running", service="api"), Notice(text="x"), request())
    lines = [json.loads(line) for line in shown.lines]
    assert [each["service"] for each in lines[0]["services"]] == ["db", "api"]
    assert [line["service"] for line in lines[1:]] == ["api", None, "web"]
    assert {service for service, _ in shown.services} == {None}, "JSON has no prefix"


def test_start_lines_fit_into_80_columns() -> None:
    service = replace(SERVICE, command=("serve", "x" * 200))
    shown = Shown(replace(CONFIG, services=(service,)))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert max(map(len, shown.lines[0].splitlines())) <= 80


def test_important_message_is_one_line() -> None:
    loading = state("loading", why="first start")
    assert Shown().publish(loading, RUNNING, CRASH, notice("beware")) == [
        "restarted in 214 ms: a.py",
        "exited with status 1, after 80 ms: waiting for a change",
        "beware",
    ]


def test_quiet_shows_errors_and_warnings() -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(quiet=True, log_requests=True)))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert shown.publish(RUNNING, request(), notice("beware"), CRASH) == [
        "beware",
        "exited with status 1, after 80 ms: waiting for a change",
    ]


def test_requests_are_shown_with_log_requests() -> None:
    assert Shown().publish(request()) == []
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(log_requests=True)))
    assert shown.publish(request(ended=False), request()) == ["GET /path 200 12 ms 3.4 kB"]


def test_console_without_log_requests_subscribes_to_no_requests() -> None:
    shown = Shown()
    with shown.console.listening(shown.bus):
        assert not shown.bus.is_wanted(RequestEnded)
    assert not shown.bus.is_wanted(StateChanged)


def test_json_logs_have_a_line_for_every_message() -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(json_logs=True, log_requests=True)))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    shown.publish(state("loading"), RUNNING, CRASH, request(ended=False), request(), notice("a\nb"))
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
def test_log_records_are_shown(debug: bool) -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(debug=debug)))
    log = logging.getLogger("some.library")
    with shown.console.listening(shown.bus):
        log.warning("%s is odd", "this")
        log.debug("a detail")
    log.warning("nobody listens any more")
    assert shown.lines == ["some.library: this is odd", *["some.library: a detail"] * debug]


def test_log_records_are_json_with_json_logs() -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(json_logs=True)))
    with shown.console.listening(shown.bus):
        logging.getLogger("some.library").error("odd")
    line = json.loads(shown.lines[0])
    assert (line["event"], line["level"], line["text"]) == ("log", "error", "some.library: odd")


def test_json_lines_escape_control_characters() -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(json_logs=True)))
    name = "a\x7f\x80\x9b31m\x9f\u061c\u200e\u200f\u202a\u202e\u2066\u2069.py"
    (line,) = shown.publish(notice(name))
    assert json.loads(line)["text"] == name
    assert line.isascii()


def test_json_lines_keep_other_characters() -> None:
    shown = Shown(replace(CONFIG, terminal=TerminalConfig(json_logs=True)))
    (line,) = shown.publish(notice("größe\u00a0日本.py"))
    assert "größe\u00a0日本.py" in line


def test_start_lines_name_the_configuration_file() -> None:
    shown = Shown(replace(CONFIG, file=Path("pyproject.toml")))
    shown.console.start(["http://localhost:8000/"], DASHBOARD, "embedded", 0)
    assert "  configured  pyproject.toml\n" in "\n".join(shown.lines)
