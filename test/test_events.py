"""The feed: what is kept, and who hears of what."""

import contextlib

from httpprocessproxy.events import KEPT_MESSAGES, EventBus, Message


def test_a_message_gets_its_topic_and_its_time() -> None:
    bus = EventBus()

    bus.publish("state", {"state": "running"})

    (message,) = bus.kept("state")
    assert message["type"] == "state"
    assert message["state"] == "running"
    assert isinstance(message["at_ms"], float)


def test_only_the_last_are_kept() -> None:
    bus = EventBus()

    for number in range(KEPT_MESSAGES + 3):
        bus.publish("state", {"number": number})

    assert [message["number"] for message in bus.kept("state")] == list(range(3, KEPT_MESSAGES + 3))


def test_what_need_not_be_kept_is_only_told() -> None:
    bus = EventBus()
    heard: list[Message] = []

    with bus.subscribe(["output"], heard.append):
        bus.publish("output", {"text": "x"}, keep=False)

    assert [message["text"] for message in heard] == ["x"]
    assert bus.kept("output") == ()


def test_a_subscriber_hears_its_topics_until_it_leaves() -> None:
    bus = EventBus()
    heard: list[Message] = []

    assert not bus.is_wanted("state")
    with bus.subscribe(["state"], heard.append):
        assert bus.is_wanted("state")
        bus.publish("state", {})
        bus.publish("request", {})
    bus.publish("state", {})

    assert [message["type"] for message in heard] == ["state"]
    assert not bus.is_wanted("state")


def test_a_subscriber_may_leave_while_it_is_told() -> None:
    bus = EventBus()
    heard: list[Message] = []
    leaving = contextlib.ExitStack()
    leaving.enter_context(bus.subscribe(["state"], lambda message: leaving.close()))

    with bus.subscribe(["state"], heard.append):
        bus.publish("state", {})

    assert len(heard) == 1


def test_each_run_has_a_name_of_its_own() -> None:
    assert EventBus().run != EventBus().run
