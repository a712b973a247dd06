"""A request and its application: the events in both directions, and back-pressure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from httpprocessproxy.asgi.interface import Application, Receive, Scope, Send, contained
from httpprocessproxy.asgi.request_sink import HttpRequestSink
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingStream
from test.loops import eventually, run, turn

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/"}

START = {"type": "http.response.start", "status": 200}
Play = Callable[[RecordingStream, HttpRequestSink], Awaitable[None]]


def body(data: bytes = b"", *, more: bool = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def played(application: Application, play: Play) -> RecordingStream:
    """Run the application to its end, with `play` as the client; return the stream."""
    stream = RecordingStream()

    async def main() -> None:
        sink = HttpRequestSink(stream, b"GET")
        async with asyncio.TaskGroup() as group:
            group.create_task(sink.run(contained(application), SCOPE), name="application")
            await play(stream, sink)

    run(main())
    return stream


async def whole(stream: RecordingStream, sink: HttpRequestSink) -> None:
    sink.end()


def test_application_gets_the_body_piece_by_piece() -> None:
    events = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        events.append(await receive())
        events.append(await receive())
        events.append(await receive())
        await send(START)
        await send(body(b"ok"))
        events.append(await receive())
        events.append(await receive())

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        sink.body(b"o")
        sink.body(b"n")
        await eventually(lambda: len(events) == 1)
        assert stream.consumed_bytes == 2
        sink.body(b"two")
        await eventually(lambda: len(events) == 2)
        sink.end()

    stream = played(application, play)
    assert events == [
        {"type": "http.request", "body": b"on", "more_body": True},
        {"type": "http.request", "body": b"two", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]
    assert stream.consumed_bytes == 5
    assert (stream.status, bytes(stream.content), stream.is_reading) == (200, b"ok", True)


def test_two_tasks_may_wait_for_events() -> None:
    """Starlette's streams do so: one task for the body, another for the disconnect."""
    events = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            events.append((await receive())["type"])

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(), name="one")
            group.create_task(listen(), name="other")

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        await turn()
        sink.end()
        await eventually(lambda: len(events) == 1)
        await turn()
        assert events == ["http.request"]
        sink.reset()

    played(application, play)
    assert events == ["http.request", "http.disconnect"]


def test_body_not_received_by_the_application_is_not_consumed() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body())

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        sink.body(b"some")
        await eventually(lambda: stream.has_ended)

    stream = played(application, play)
    assert stream.consumed_bytes == 0
    assert not stream.is_reading, "the rest of the request is not wanted"


def test_application_waits_for_a_slow_client() -> None:
    sent = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(3):
            await send(body(b"x", more=number < 2))
            sent.append(number)

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        sink.end()
        sink.pause()
        await turn()
        assert sent == []
        sink.resume()
        await eventually(lambda: len(sent) == 3)

    assert played(application, play).content == b"xxx"


def test_client_that_leaves_is_a_disconnect_and_later_events_are_discarded() -> None:
    events: list[object] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        events.append(await receive())
        events.append(await receive())
        await send(START)
        await send(body(b"nobody"))
        events.append("went on")

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        sink.body(b"some")
        await eventually(lambda: len(events) == 1)
        sink.body(b"more")
        sink.reset()

    stream = played(application, play)
    assert events[1:] == [{"type": "http.disconnect"}, "went on"]
    assert not stream.status
    assert not stream.is_over


def test_client_that_leaves_wakes_a_waiting_send() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"x", more=True))
        await send(body(b"y", more=True))

    async def play(stream: RecordingStream, sink: HttpRequestSink) -> None:
        sink.pause()
        await turn()
        sink.reset()

    assert played(application, play).status == 0


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(3)])
def test_failure_before_the_response_gives_500(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    stream = played(application, whole)
    assert (stream.status, bytes(stream.content)) == (500, b"Internal Server Error")
    (record,) = caplog.records
    assert record.getMessage() == "the ASGI application failed: GET /"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_failure_after_the_start_resets_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"half", more=True))
        raise ValueError("why")

    assert played(application, whole).why is StreamReset.INTERNAL
    assert len(caplog.records) == 1


def test_failure_after_the_response_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"all"))
        raise ValueError("why")

    stream = played(application, whole)
    assert (bytes(stream.content), stream.has_ended, stream.why) == (b"all", True, None)
    assert len(caplog.records) == 1


def test_application_that_returns_without_a_complete_response_fails_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"half", more=True))

    assert played(nothing, whole).status == 500
    assert played(half, whole).why is StreamReset.INTERNAL
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_cancelled_call_gets_500() -> None:
    stream = RecordingStream()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        sink = HttpRequestSink(stream, b"GET")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(sink.run(contained(application), SCOPE), name="application")
            await turn()
            task.cancel()

    run(main())
    assert stream.status == 500
    assert not stream.is_reading
