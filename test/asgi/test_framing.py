"""The framing of a response: the events that are sent, and their framing fields."""

from collections.abc import Mapping

import pytest

from httpprocessproxy.asgi.framing import Framing

Event = Mapping[str, object]

LENGTH_5 = (b"content-length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")
OTHER = (b"X-A", b"1")


def start(status: int, *headers: tuple[bytes, bytes]) -> Event:
    return {"type": "http.response.start", "status": status, "headers": [*headers]}


def body(data: bytes = b"", *, more: bool = False) -> Event:
    return {"type": "http.response.body", "body": data, "more_body": more}


def framing(method: str = "GET", version: str = "1.1") -> Framing:
    return Framing({"method": method, "http_version": version})


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("method", "begun", "first", "expected"),
    [
        ("GET", start(200), body(b"Hello"), [LENGTH_5]),
        ("GET", start(500, OTHER), body(), [OTHER, (b"content-length", b"0")]),
        ("GET", start(200, CHUNKED, OTHER), body(b"Hello"), [OTHER, LENGTH_5]),
        ("GET", start(200, (b"Content-Length", b"8")), body(b"x"), [(b"Content-Length", b"8")]),
        ("GET", start(200, OTHER, CHUNKED), body(b"He", more=True), [OTHER]),
        ("GET", start(200, LENGTH_5, CHUNKED), body(b"He", more=True), [LENGTH_5]),
        ("HEAD", start(200), body(b"Hello"), [LENGTH_5]),
        ("HEAD", start(200), body(), []),
        ("HEAD", start(200), body(b"He", more=True), []),
        ("HEAD", start(200, LENGTH_5), body(), [LENGTH_5]),
    ],
)
def test_start_is_sent_with_the_first_event_of_the_body_and_framing_fields(
    method: str, version: str, begun: Event, first: Event, expected: list[tuple[bytes, bytes]]
) -> None:
    framed = framing(method, version)
    assert framed.frame(begun) == []
    assert framed.frame(first) == [{**begun, "headers": expected}, first]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("given", [[], [LENGTH_5], [(b"Content-Length", b"0"), CHUNKED]])
def test_response_without_body_has_no_framing(
    status: int, given: list[tuple[bytes, bytes]]
) -> None:
    framed = framing()
    framed.frame(start(status, *given))
    assert framed.frame(body(b"Hello", more=True)) == [start(status), body(more=True)]
    assert framed.frame(body(b"again")) == [body()]


@pytest.mark.parametrize(
    ("method", "version", "given", "first", "expected"),
    [
        ("GET", "1.0", [], body(more=True), True),
        ("GET", "1.0", [], body(b"x"), False),
        ("GET", "1.0", [LENGTH_5], body(more=True), False),
        ("HEAD", "1.0", [], body(more=True), False),
        ("GET", "1.1", [], body(more=True), False),
    ],
)
def test_body_of_unknown_length_lasts_until_close_for_http10(
    method: str, version: str, given: list[tuple[bytes, bytes]], first: Event, expected: bool
) -> None:
    framed = framing(method, version)
    framed.frame(start(200, *given))
    framed.frame(first)
    assert framed.is_until_close == expected


def test_response_is_complete_after_the_last_event_of_the_body() -> None:
    framed = framing()
    framed.frame(start(200))
    framed.frame(body(b"x", more=True))
    assert not framed.is_complete
    framed.frame(body())
    assert framed.is_complete


def test_second_start_before_the_body_is_an_error() -> None:
    framed = framing()
    framed.frame(start(200))
    with pytest.raises(RuntimeError, match="second start"):
        framed.frame(start(200))


def test_unexpected_events_are_passed_on_to_uvicorn() -> None:
    framed = framing()
    assert framed.frame(body(b"x")) == [body(b"x")]
    other = {"type": "http.response.pathsend"}
    assert framed.frame(other) == [other]


def test_optional_keys_of_events_may_be_missing() -> None:
    framed = framing()
    framed.frame({"type": "http.response.start", "status": 200})
    first, second = framed.frame({"type": "http.response.body"})
    assert first["headers"] == [(b"content-length", b"0")]
    assert second == {"type": "http.response.body"}
