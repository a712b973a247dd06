"""What pages say on `/_hpp/events`, and what is made of nonsense."""

import json

import pytest

from httpprocessproxy.core.page.messages import ClientHello, parse_hello, parse_topics


def test_a_first_hello() -> None:
    hello = parse_hello('{"type": "hello", "age_ms": 12.5}')
    assert hello == ClientHello(12.5, "", 0.0, frozenset())


def test_a_hello_of_one_that_was_here_before() -> None:
    text = '{"type": "hello", "age_ms": 1, "run": "ab", "at_ms": 70, "topics": ["output", "x", 1]}'
    assert parse_hello(text) == ClientHello(1.0, "ab", 70.0, frozenset(["output"]))


def test_a_page_was_current_when_its_first_byte_came() -> None:
    hello = ClientHello(100.0, "", 0.0, frozenset())
    assert hello.last_current_ms("now", 1000.0) == 900.0


def test_a_page_that_comes_back_was_current_when_it_last_heard_of_us() -> None:
    """Its own clock may have gone on while we slept, or the other way round."""
    hello = ClientHello(99999.0, "now", 950.0, frozenset())
    assert hello.last_current_ms("now", 1000.0) == 950.0
    assert hello.last_current_ms("another", 1000.0) < 0


def test_topics() -> None:
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
def test_nonsense_is_no_message(text: str | bytes) -> None:
    assert parse_hello(text) is None
    assert parse_topics(text) is None


@pytest.mark.parametrize("value", ["1", None, [], {}, -1, 1e300, float("nan"), float("inf")])
def test_a_strange_time_is_none(value: object) -> None:
    hello = parse_hello(json.dumps({"type": "hello", "age_ms": value, "at_ms": value, "run": 7}))
    assert hello == ClientHello(0.0, "", 0.0, frozenset())
