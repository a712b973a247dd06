"""The feed: what is kept, and who hears of what."""

import contextlib

from httpprocessproxy.feed import KEPT_MESSAGES, Feed, Message


def test_a_message_gets_its_topic_and_its_time() -> None:
    feed = Feed()

    feed.publish("state", {"state": "running"})

    (message,) = feed.kept("state")
    assert message["type"] == "state"
    assert message["state"] == "running"
    assert isinstance(message["at_ms"], float)


def test_only_the_last_are_kept() -> None:
    feed = Feed()

    for number in range(KEPT_MESSAGES + 3):
        feed.publish("state", {"number": number})

    assert [message["number"] for message in feed.kept("state")] == list(
        range(3, KEPT_MESSAGES + 3)
    )


def test_what_need_not_be_kept_is_only_told() -> None:
    feed = Feed()
    heard: list[Message] = []

    with feed.subscribe(["output"], heard.append):
        feed.publish("output", {"text": "x"}, keep=False)

    assert [message["text"] for message in heard] == ["x"]
    assert feed.kept("output") == ()


def test_a_subscriber_hears_its_topics_until_it_leaves() -> None:
    feed = Feed()
    heard: list[Message] = []

    assert not feed.is_wanted("state")
    with feed.subscribe(["state"], heard.append):
        assert feed.is_wanted("state")
        feed.publish("state", {})
        feed.publish("request", {})
    feed.publish("state", {})

    assert [message["type"] for message in heard] == ["state"]
    assert not feed.is_wanted("state")


def test_a_subscriber_may_leave_while_it_is_told() -> None:
    feed = Feed()
    heard: list[Message] = []
    leaving = contextlib.ExitStack()
    leaving.enter_context(feed.subscribe(["state"], lambda message: leaving.close()))

    with feed.subscribe(["state"], heard.append):
        feed.publish("state", {})

    assert len(heard) == 1


def test_each_run_has_a_name_of_its_own() -> None:
    assert Feed().run != Feed().run
