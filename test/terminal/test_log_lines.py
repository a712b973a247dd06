"""Events, and the lines that they become."""

from dataclasses import replace

import pytest

from httpprocessproxy.events import Event, HopReported, Refreshed, StartReport
from httpprocessproxy.terminal.log_lines import LogLines
from test.messages import RESTART, TIME, RowMembers, notice, request, state


def test_first_start_is_one_line() -> None:
    lines = LogLines()
    assert lines.of(state("loading", why="first start", at_ms=5.0)) == []
    assert lines.of(state("running", "loading", at_ms=345.4)) == ["started in 340 ms"]


def test_restart_is_one_line() -> None:
    lines = LogLines()
    assert lines.of(state("killing", "running", why="changed: app/views.py")) == []
    assert lines.of(state("loading", "killing", why="stopped after 9 ms")) == []
    running = state("running", "loading", paths=["app/views.py"], restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: app/views.py"]


def test_restart_after_many_changes_names_the_first_file() -> None:
    running = state("running", "loading", paths=["a.py", "b.py", "c.py"], restart=RESTART)
    assert LogLines().of(running) == ["restarted in 214 ms: a.py and 2 more"]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (StartReport(False, 200.4, None), "214 ms"),
        (StartReport(True, 60.0, 272.4), "214 ms (warm, 272 ms saved)"),
        (StartReport(True, 60.0, -3.0), "214 ms (warm)"),
        (StartReport(True, 60.0, None), "214 ms (warm)"),
    ],
)
def test_warm_start_shows_the_saved_time(start: StartReport, told: str) -> None:
    running = state("running", "loading", paths=["a.py"], restart=RESTART, start=start)
    assert LogLines().of(running) == [f"restarted in {told}: a.py"]


@pytest.mark.parametrize("before", ["running", "error", "loading"])
def test_requested_restart_names_its_cause(before: str) -> None:
    lines = LogLines()
    after = "loading" if before == "error" else "killing"
    assert lines.of(state(after, before, why="restart asked for by the keyboard")) == []
    if after == "killing":
        assert lines.of(state("loading", "killing", why="stopped after 9 ms")) == []
    running = state("running", "loading", restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: asked for by the keyboard"]


@pytest.mark.parametrize(
    ("word", "why", "line"),
    [
        ("stopped", "stop asked for by the page", "stopped: asked for by the page"),
        ("idle", "no request for 15.0 s", "idle: no request for 15.0 s"),
    ],
)
def test_pause_and_the_start_after_it_name_their_causes(word: str, why: str, line: str) -> None:
    lines = LogLines()
    assert lines.of(state("killing", "running", why=why)) == []
    assert lines.of(state(word, "killing", why="stopped after 9 ms")) == [line]
    assert lines.of(state(word, "loading", why=why)) == [line]
    assert lines.of(state("loading", word, why="start asked for by the page")) == []
    running = state("running", "loading", restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: asked for by the page"]
    assert lines.of(state("running", "running", restart=RESTART)) == [], "for a reload"


def test_crash_line_has_reason_and_next_step() -> None:
    why = "exited with status 1, after 80 ms"
    crash = state("error", "loading", why=why, reason="exited with status 1", returncode=1)
    assert LogLines().of(crash) == ["exited with status 1, after 80 ms: waiting for a change"]


def test_failed_start_line_has_no_duration() -> None:
    failure = state(
        "error", "loading", why="cannot start 'x', after 0 ms", reason="cannot start 'x'"
    )
    assert LogLines().of(failure) == ["cannot start 'x'; waiting for a change"]


def test_debug_lines_show_each_transition_and_the_stages() -> None:
    lines = LogLines(debug=True)
    assert lines.of(state("loading", why="first start")) == []
    assert lines.of(state("running", "loading", why="ready after 340 ms", at_ms=340.0)) == [
        "LOADING -> RUNNING (ready after 340 ms)",
        "started in 340 ms",
    ]
    assert lines.of(state("killing", "running", why="changed: a.py")) == [
        "RUNNING -> KILLING (changed: a.py)"
    ]
    running = state("running", "loading", why="ready after 205 ms", paths=["a.py"], restart=RESTART)
    assert lines.of(running)[1] == "stages: drain 0 ms, stop 10 ms, start 4 ms, ready 200 ms"


def test_stages_without_a_duration_are_omitted() -> None:
    restart = replace(RESTART, drain_ms=None)
    running = state("running", "loading", paths=["a.py"], restart=restart)
    assert "stages: stop 10 ms, start 4 ms, ready 200 ms" in LogLines(debug=True).of(running)


class OfTheFuture(Event):
    """An event of a type that has no line."""


def test_notice_and_refresh_are_lines_and_unknown_topics_are_not() -> None:
    lines = LogLines()
    assert lines.of(notice("LiveReload port 35729 is taken")) == ["LiveReload port 35729 is taken"]
    assert lines.of(Refreshed(service="web", paths=["a.css", "b.css"])) == [
        "refreshed: a.css and 1 more"
    ]
    assert lines.of(OfTheFuture()) == []


def test_control_characters_in_a_file_name_are_escaped() -> None:
    assert LogLines().of(Refreshed(service="web", paths=["\x1b]0;gotcha\x07.css"])) == [
        "refreshed: \\x1b]0;gotcha\\x07.css"
    ]


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({}, "GET /path 200 12 ms 3.4 kB"),
        ({"status": None, "outcome": "left", "bytes": 0}, "GET /path - 12 ms 0 B (left)"),
        ({"held_ms": 214.0, "sent": 2}, "GET /path 200 12 ms 3.4 kB (held 214 ms, sent again)"),
        ({"held_ms": 0.02}, "GET /path 200 12 ms 3.4 kB"),
        ({"replay_of": 7, "method": "POST"}, "POST /path 200 12 ms 3.4 kB (replayed)"),
    ],
)
def test_request_line_has_remarks_on_unusual_events(members: RowMembers, line: str) -> None:
    assert LogLines().of(request(**members)) == [line]


def test_unfinished_request_has_no_line() -> None:
    assert LogLines().of(request(ended=False)) == []


def test_level_follows_the_type_and_state_of_a_message() -> None:
    assert notice("x").level == "warning"
    assert state("error", "loading").level == "error"
    assert state("running", "loading").level == "info"
    assert request().level == "info"


HOP = HopReported(
    time=TIME,
    chain="0b8ae9a6",
    outcome="delivered",
    method="POST",
    url="http://two/a",
    status=202,
    duration_ms=12.3,
)


@pytest.mark.parametrize(
    ("hop", "line", "level"),
    [
        (HOP, "hop 0b8ae9a6 delivered POST http://two/a 202 12 ms", "info"),
        (
            replace(HOP, outcome="failed", status=None, tries=3, text="no connection"),
            "hop 0b8ae9a6 failed POST http://two/a 12 ms (3 tries): no connection",
            "warning",
        ),
        (
            replace(HOP, chain="", outcome="refused", status=400, duration_ms=None, text="x\r\n"),
            "hop - refused POST http://two/a 400: x\\r\\n",
            "warning",
        ),
    ],
)
def test_hop_line_has_the_id_of_its_chain(hop: HopReported, line: str, level: str) -> None:
    assert (LogLines().of(hop), hop.level) == ([line], level)


def test_restarts_of_two_services_keep_their_causes_and_times() -> None:
    lines = LogLines()
    lines.of(state("loading", service="db", at_ms=1000.0))
    lines.of(state("loading", service="api", at_ms=2000.0))
    assert lines.of(state("running", "loading", service="db", at_ms=3000.0)) == ["started in 2.0 s"]
    lines.of(state("killing", "running", service="db", why="restart asked for by the keyboard"))
    lines.of(state("killing", "running", service="api", why="changed: a.py"))
    running = state("running", "loading", service="db", restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: asked for by the keyboard"]
