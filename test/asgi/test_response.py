"""An application's response: the order of its events, its fields, and the stream it results in."""

from collections.abc import Mapping

import pytest

from httpprocessproxy.asgi.response import ApplicationResponse, checked, with_date
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingStream

Event = Mapping[str, object]


def start(status: object = 200, *headers: tuple[bytes, bytes], **more: object) -> Event:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: bytes = b"", *, more: bool = False) -> Event:
    return {"type": "http.response.body", "body": data, "more_body": more}


def trailers(*headers: tuple[bytes, bytes], more: bool = False) -> Event:
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}


def answered(*events: Event, method: bytes = b"GET") -> RecordingStream:
    stream = RecordingStream()
    response = ApplicationResponse(stream, method)
    for event in events:
        response.send(event)
    assert response.is_complete == stream.has_ended
    return stream


def without_date(stream: RecordingStream) -> list[tuple[bytes, bytes]]:
    dates = [value for name, value in stream.fields if name == b"date"]
    assert len(dates) == 1
    assert dates[0].endswith(b" GMT")
    return [field for field in stream.fields if field[0] != b"date"]


def test_response_in_pieces_is_sent_with_its_status_and_fields() -> None:
    stream = answered(start(201, (b"X-A", b" 1 ")), body(b"one", more=True), body(b"two"))
    assert (stream.status, bytes(stream.content), stream.has_ended) == (201, b"onetwo", True)
    assert without_date(stream) == [(b"x-a", b"1")]


def test_head_is_held_until_the_body_begins() -> None:
    assert answered(start()).status == 0
    stream = answered(start(), body(more=True))
    assert (stream.status, stream.has_ended) == (200, False)


def test_optional_keys_of_events_may_be_missing() -> None:
    stream = answered(
        {"type": "http.response.start", "status": 204}, {"type": "http.response.body"}
    )
    assert (stream.status, bytes(stream.content), stream.has_ended) == (204, b"", True)


def test_fields_of_the_connection_are_removed() -> None:
    names = (b"Alt-Svc", b"Connection", b"Transfer-Encoding", b"Keep-Alive", b"Upgrade")
    assert without_date(answered(start(200, *((name, b"x") for name in names)), body())) == []


def test_date_of_the_application_is_kept() -> None:
    fields = [(b"Date", b"then")]
    assert with_date(fields) == fields


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
@pytest.mark.parametrize("status", [200, 204, 304])
def test_body_is_sent_only_for_get_and_200(method: bytes, status: int) -> None:
    events = start(status, (b"content-length", b"2")), body(b"ok")
    stream = answered(*events, method=method)
    assert bytes(stream.content) == (b"ok" if (method, status) == (b"GET", 200) else b"")
    # RFC 9110 section 8.6: 204 must not have a Content-Length.
    assert ((b"content-length", b"2") in stream.fields) == (status != 204)
    assert stream.has_ended


def test_trailers_of_several_events_end_the_stream() -> None:
    stream = answered(
        start(200, trailers=True),
        body(b"x"),
        trailers((b"A", b"1"), more=True),
        trailers((b"b", b"2")),
    )
    assert stream.trailers == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.parametrize(
    "events",
    [
        [body()],
        [start(), start()],
        [start(), body(), body()],
        [start(), trailers()],
        [start(), body(), trailers()],
        [start(200, trailers=True), body(), body()],
        [start(200, trailers=True), body(), trailers(), trailers()],
        [{"type": "http.request"}],
        [{"type": "websocket.accept"}],
    ],
)
def test_event_out_of_turn_is_an_error(events: list[Event]) -> None:
    with pytest.raises(RuntimeError, match="out of turn"):
        answered(*events)


@pytest.mark.parametrize(
    "pieces", [[body(b"abc")], [body(b"a")], [body(b"ab", more=True), body(b"c")], [body()]]
)
def test_body_that_differs_from_content_length_is_an_error(pieces: list[Event]) -> None:
    with pytest.raises(RuntimeError, match="Content-Length"):
        answered(start(200, (b"content-length", b"2")), *pieces)


@pytest.mark.parametrize("status", [None, "200", 99, 101, 199, 1000])
def test_invalid_status_is_an_error(status: object) -> None:
    with pytest.raises(ValueError, match="status"):
        answered(start(status))


@pytest.mark.parametrize(
    "field", [(b"a b", b""), (b"", b""), (b":status", b"200"), (b"a", b"x\r\nb: y"), (b"a", b"\0")]
)
def test_malformed_field_is_an_error(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match=r"field|value"):
        checked([field])


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_failure_before_the_response_gives_500(method: bytes) -> None:
    stream = RecordingStream()
    response = ApplicationResponse(stream, method)
    response.fail()
    assert (stream.status, stream.has_ended) == (500, True)
    assert bytes(stream.content) == (b"Internal Server Error" if method == b"GET" else b"")
    assert (b"content-length", b"21") in stream.fields
    assert response.is_complete


@pytest.mark.parametrize("events", [[start()], [start(), body(b"half", more=True)]])
def test_failure_after_the_start_resets_the_stream(events: list[Event]) -> None:
    stream = RecordingStream()
    response = ApplicationResponse(stream, b"GET")
    for event in events:
        response.send(event)
    response.fail()
    assert stream.why is StreamReset.INTERNAL
    assert not stream.has_ended


def test_invalid_start_does_not_count_as_the_start() -> None:
    stream = RecordingStream()
    response = ApplicationResponse(stream, b"GET")
    with pytest.raises(ValueError, match="status"):
        response.send(start(0))
    response.fail()
    assert stream.status == 500
