"""The capture of a response's content, with any framing, and its share of the budget."""

import pytest

from httpprocessproxy.companions.chains.capture import Capture
from httpprocessproxy.core.budget import Budget
from httpprocessproxy.core.http.bodies import Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.request import Request, Response

PLENTY = Budget(1_000_000, AssertionError)


def capture(
    body: Body,
    *,
    is_http10: bool = False,
    is_stream: bool = False,
    max_bytes: int = 100,
    budget: Budget = PLENTY,
) -> Capture:
    request = Request(b"POST", b"/", b"me", b"", is_http10, b"", 0, True, b"", False, True)
    request.is_stream = is_stream
    response = Response(200, b"", body, True, True, b"")
    return Capture(response, request, budget.share(), max_bytes)


@pytest.mark.parametrize("client", ["HTTP/1.1", "HTTP/1.0", "stream"])
@pytest.mark.parametrize("kind", ["length", "chunked", "until close"])
def test_body_from_the_data_plane_is_captured_without_framing(kind: str, client: str) -> None:
    bodies: dict[str, Body] = {
        "length": Length(10),
        "chunked": Chunked(decode=client != "HTTP/1.1"),
        "until close": UntilClose(chunked=client == "HTTP/1.1"),
    }
    body = bodies[kind]
    sent = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n" if kind == "chunked" else b"helloworld"
    kept = capture(body, is_http10=client == "HTTP/1.0", is_stream=client == "stream")
    for at in range(0, len(sent), 3):
        kept.take(body.feed(sent[at : at + 3]))
    kept.take(body.end())
    assert kept.content == b"helloworld"
    assert not kept.has_overflown


def test_body_longer_than_the_limit_is_cut_and_marked_as_overflown() -> None:
    kept = capture(Length(1000), max_bytes=15)
    for _ in range(3):
        kept.take(b"0123456789")
    assert kept.has_overflown
    assert kept.content == b"012345678901234"


def test_captured_bytes_count_against_the_budget_until_the_capture_is_dropped() -> None:
    budget = Budget(20, MemoryError)
    kept = capture(Length(1000), max_bytes=15, budget=budget)
    kept.take(b"0123456789")
    assert budget.held_bytes == 10
    kept.take(b"0123456789")
    # Bytes beyond the limit do not count.
    assert budget.held_bytes == 15
    with pytest.raises(MemoryError):
        capture(Length(1000), budget=budget).take(b"012345")
    kept.drop()
    assert (budget.held_bytes, bytes(kept.content)) == (0, b"")
    kept.take(b"x")
    assert (budget.held_bytes, bytes(kept.content)) == (0, b"")


def test_framing_does_not_count_against_the_budget() -> None:
    budget = Budget(2, MemoryError)
    kept = capture(Chunked(), budget=budget)
    kept.take(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    assert (budget.held_bytes, bytes(kept.content)) == (2, b"ab")
