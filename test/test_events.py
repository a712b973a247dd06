"""The bus: which events it keeps, and which subscribers get them; their JSON."""

import contextlib

import pytest

from httpprocessproxy.events import (
    MAX_RECENT,
    TOPICS,
    Event,
    EventBus,
    Notice,
    OutputPrinted,
    Refreshed,
    RequestBegan,
    RequestEnded,
    StartReport,
    StateChanged,
    to_json,
)
from test.messages import RESTART, TIME, row, state


def test_event_gets_its_time_from_the_bus() -> None:
    bus = EventBus()
    bus.publish(state("running"))
    (event,) = bus.recent(StateChanged)
    assert event.state == "running"
    assert 0 <= event.at_ms <= bus.now_ms()


def test_bus_keeps_the_last_events_of_a_type() -> None:
    bus = EventBus()
    for number in range(MAX_RECENT + 3):
        bus.publish(state("loading", generation=number))
    kept = [event.generation for event in bus.recent(StateChanged)]
    assert kept == list(range(3, MAX_RECENT + 3))


def test_event_that_need_not_be_kept_is_only_passed_on() -> None:
    bus = EventBus()
    heard: list[Event] = []
    with bus.subscribe([OutputPrinted], heard.append):
        bus.publish(OutputPrinted(service="web", stream="stdout", text="x"), keep=False)
    assert [to_json(event)["text"] for event in heard] == ["x"]
    assert bus.recent(OutputPrinted) == []


def test_subscriber_gets_its_types_until_it_leaves() -> None:
    bus = EventBus()
    heard: list[Event] = []
    assert not bus.is_wanted(StateChanged)
    with bus.subscribe([StateChanged], heard.append):
        assert bus.is_wanted(StateChanged)
        bus.publish(state("running"))
        bus.publish(Notice(text="x"))
    bus.publish(state("running"))
    assert [type(event) for event in heard] == [StateChanged]
    assert not bus.is_wanted(StateChanged)


def test_callback_that_subscribes_twice_is_called_for_both_until_each_leaves() -> None:
    bus = EventBus()
    heard: list[Event] = []
    with bus.subscribe([Notice], heard.append):
        with bus.subscribe([Notice, Refreshed], heard.append):
            bus.publish(Notice(text="x"))
        bus.publish(Notice(text="y"))
    assert len(heard) == 3


def test_subscriber_may_leave_while_an_event_is_passed_on() -> None:
    bus = EventBus()
    heard: list[Event] = []
    leaving = contextlib.ExitStack()
    leaving.enter_context(bus.subscribe([StateChanged], lambda event: leaving.close()))
    with bus.subscribe([StateChanged], heard.append):
        bus.publish(state("running"))
    assert len(heard) == 1


def test_each_run_has_a_name_of_its_own() -> None:
    assert EventBus().run != EventBus().run


def test_transition_in_json_has_the_documented_members() -> None:
    start = StartReport(warm=True, ms=60.0)
    event = state("running", "loading", paths=["a.py"], start=start, restart=RESTART)
    assert to_json(event) == {
        "type": "state",
        "at_ms": 0.0,
        "service": "web",
        "state": "running",
        "from": "loading",
        "generation": 1,
        "time": TIME,
        "why": "",
        "paths": ["a.py"],
        "returncode": None,
        "reason": "",
        "start": {"warm": True, "ms": 60.0, "saved_ms": None},
        "restart": {
            "paths": ["app/views.py"],
            "drain_ms": 0.1,
            "stop_ms": 9.6,
            "start_ms": 4.2,
            "ready_ms": 200.4,
            "total_ms": 214.3,
        },
    }


@pytest.mark.parametrize("kind", [RequestBegan, RequestEnded])
def test_request_in_json_is_its_row(kind: type[RequestBegan] | type[RequestEnded]) -> None:
    json = to_json(kind(row=row(7)))
    assert (json["type"], json["id"], json["bytes"]) == ("request", 7, 3401)
    assert json["service"] == "web"


def test_notice_in_json_has_its_level() -> None:
    assert to_json(Notice(text="x")) == {
        "type": "notice",
        "at_ms": 0.0,
        "service": None,
        "text": "x",
        "level": "warning",
    }


def test_every_type_has_its_topic() -> None:
    assert all(kind.topic == topic for topic, kinds in TOPICS.items() for kind in kinds)
