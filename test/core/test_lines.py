"""Messages of the feed, and the lines that they become."""

import pytest

from httpprocessproxy.core.lines import Lines, duration, enumeration, level, printable, size
from test.messages import RESTART, notice, request, state


def test_the_first_start() -> None:
    lines = Lines()
    assert lines.of(state("loading", why="first start", at_ms=5.0)) == []
    assert lines.of(state("running", "loading", at_ms=345.4)) == ["started in 340 ms"]


def test_a_restart_is_one_line() -> None:
    lines = Lines()
    assert lines.of(state("killing", "running", why="changed: app/views.py")) == []
    assert lines.of(state("loading", "killing", why="stopped after 9 ms")) == []
    running = state("running", "loading", paths=["app/views.py"], restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: app/views.py"]


def test_a_restart_for_many_files_names_the_first() -> None:
    running = state("running", "loading", paths=["a.py", "b.py", "c.py"], restart=RESTART)
    assert Lines().of(running) == ["restarted in 214 ms: a.py and 2 more"]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({"warm": False, "ms": 200.4, "saved_ms": None}, "214 ms"),
        ({"warm": True, "ms": 60.0, "saved_ms": 272.4}, "214 ms (warm, 272 ms saved)"),
        ({"warm": True, "ms": 60.0, "saved_ms": -3.0}, "214 ms (warm)"),
        ({"warm": True, "ms": 60.0, "saved_ms": None}, "214 ms (warm)"),
    ],
)
def test_a_warm_start_tells_what_it_saved(start: object, told: str) -> None:
    running = state("running", "loading", paths=["a.py"], restart=RESTART, start=start)
    assert Lines().of(running) == [f"restarted in {told}: a.py"]


@pytest.mark.parametrize("before", ["running", "error", "loading"])
def test_a_restart_that_was_asked_for(before: str) -> None:
    lines = Lines()
    after = "loading" if before == "error" else "killing"
    assert lines.of(state(after, before, why="restart asked for by the keyboard")) == []
    if after == "killing":
        assert lines.of(state("loading", "killing", why="stopped after 9 ms")) == []
    running = state("running", "loading", restart=RESTART)
    assert lines.of(running) == ["restarted in 214 ms: asked for by the keyboard"]


def test_a_crash_says_how_and_what_next() -> None:
    why = "exited with status 1, after 80 ms"
    crash = state("error", "loading", why=why, reason="exited with status 1", returncode=1)
    assert Lines().of(crash) == ["exited with status 1, after 80 ms: waiting for a change"]


def test_what_cannot_be_started_took_no_time() -> None:
    failure = state(
        "error", "loading", why="cannot start 'x', after 0 ms", reason="cannot start 'x'"
    )
    assert Lines().of(failure) == ["cannot start 'x'; waiting for a change"]


def test_debugging_shows_each_transition_and_the_stages() -> None:
    lines = Lines(debug=True)
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


def test_stages_that_were_not_reached_are_left_out() -> None:
    restart = {**RESTART, "drain_ms": None}
    running = state("running", "loading", paths=["a.py"], restart=restart)
    assert "stages: stop 10 ms, start 4 ms, ready 200 ms" in Lines(debug=True).of(running)


def test_other_topics() -> None:
    lines = Lines()
    assert lines.of(notice("LiveReload port 35729 is taken")) == ["LiveReload port 35729 is taken"]
    assert lines.of({"type": "refresh", "paths": ["a.css", "b.css"]}) == [
        "refreshed: a.css and 1 more"
    ]
    assert lines.of({"type": "of the future"}) == []


def test_a_terminal_obeys_nothing_in_a_name() -> None:
    assert Lines().of({"type": "refresh", "paths": ["\x1b]0;gotcha\x07.css"]}) == [
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
def test_requests(members: dict[str, object], line: str) -> None:
    assert Lines().of(request(**members)) == [line]


def test_a_request_that_goes_on_is_no_line() -> None:
    assert Lines().of(request(ended=False)) == []


def test_levels() -> None:
    assert level(notice("x")) == "warning"
    assert level(state("error", "loading")) == "error"
    assert level(state("running", "loading")) == "info"
    assert level(request()) == "info"


def test_numbers_as_people_write_them() -> None:
    assert [duration(ms) for ms in (0.4, 999, 1000, 61_500)] == [
        "0 ms",
        "999 ms",
        "1.0 s",
        "61.5 s",
    ]
    assert [size(n) for n in (0, 999, 1000, 3_401, 2e6, 5e12)] == [
        *("0 B", "999 B", "1.0 kB", "3.4 kB", "2.0 MB", "5000.0 GB"),
    ]


def test_enumerations() -> None:
    assert enumeration([]) == ""
    assert enumeration(["a", "b", "c"], shown=3) == "a, b, c"
    assert enumeration(["a", "b", "c"], shown=2) == "a, b and 1 more"


def test_what_is_printable_stays() -> None:
    assert printable("größe 日本.py") == "größe 日本.py"
    assert printable("a\nb\x9b") == "a\\nb\\x9b"


HOP = {
    "type": "hop",
    "chain": "0b8ae9a6",
    "outcome": "delivered",
    "method": "POST",
    "url": "http://two/a",
    "status": 202,
    "duration_ms": 12.3,
    "tries": 1,
    "text": "",
}


@pytest.mark.parametrize(
    ("said", "line", "matters"),
    [
        ({}, "hop 0b8ae9a6 delivered POST http://two/a 202 12 ms", "info"),
        (
            {"outcome": "failed", "status": None, "tries": 3, "text": "no connection"},
            "hop 0b8ae9a6 failed POST http://two/a 12 ms (3 tries): no connection",
            "warning",
        ),
        (
            {
                "chain": "",
                "outcome": "refused",
                "status": 400,
                "duration_ms": None,
                "text": "x\r\n",
            },
            "hop - refused POST http://two/a 400: x\\r\\n",
            "warning",
        ),
    ],
)
def test_a_hop_is_a_line_with_the_id_of_its_chain(
    said: dict[str, object], line: str, matters: str
) -> None:
    hop = {**HOP, **said}
    assert (Lines().of(hop), level(hop)) == ([line], matters)
