"""Messages of pages to `/_hpp/events`, valid and malformed ones."""

import json

import pytest

from httpprocessproxy.core.page.messages import ClientHello, parse_hello, parse_topics


def test_first_hello_has_an_age_only() -> None:
    hello = parse_hello('{"type": "hello", "age_ms": 12.5}')
    assert hello == ClientHello(12.5, "", 0.0, frozenset())


def test_hello_of_a_reconnected_page_has_run_time_and_topics() -> None:
    text = '{"type": "hello", "age_ms": 1, "run": "ab", "at_ms": 70, "topics": ["output", "x", 1]}'
    assert parse_hello(text) == ClientHello(1.0, "ab", 70.0, frozenset(["output"]))


def test_hello_of_a_page_has_its_path_and_the_service_that_it_shows() -> None:
    hello = parse_hello('{"type": "hello", "age_ms": 1, "path": "/api/", "service": "db"}')
    assert hello is not None
    assert (hello.path, hello.service) == ("/api/", "db")


def test_new_page_was_current_at_its_first_byte() -> None:
    hello = ClientHello(100.0, "", 0.0, frozenset())
    assert hello.last_current_ms("now", 1000.0) == 900.0


def test_reconnected_page_was_current_at_its_last_message() -> None:
    """The clocks of page and proxy may differ after either of them was suspended."""
    hello = ClientHello(99999.0, "now", 950.0, frozenset())
    assert hello.last_current_ms("now", 1000.0) == 950.0
    assert hello.last_current_ms("another", 1000.0) < 0


def test_subscription_contains_known_topics_on_request() -> None:
    text = '{"type": "subscribe", "topics": ["request", "notice", "state", "nonsense"]}'
    assert parse_topics(text) == frozenset(["request", "notice"])
    assert parse_topics('{"type": "subscribe"}') == frozenset()
    assert parse_topics('{"type": "hello"}') is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", "null", '"hello"', "{}", '{"type": 1}', '{"type": ["hello"]}'),
        *(b"\xff", "[" * 100_000),
    ],
)
def test_malformed_message_is_ignored(text: str | bytes) -> None:
    assert parse_hello(text) is None
    assert parse_topics(text) is None


@pytest.mark.parametrize("value", ["1", None, [], {}, -1, 1e300, float("nan"), float("inf")])
def test_invalid_time_becomes_zero(value: object) -> None:
    hello = parse_hello(json.dumps({"type": "hello", "age_ms": value, "at_ms": value, "run": 7}))
    assert hello == ClientHello(0.0, "", 0.0, frozenset())
