"""A request and its application: what each is told of the other, and who waits for whom."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from httpprocessproxy.companions.asgi.interface import Application, Receive, Scope, Send, contained
from httpprocessproxy.companions.asgi.visit import RequestVisit
from httpprocessproxy.frontends.streams import StreamReset
from test.frontends.ends import RecordingStream
from test.loops import eventually, run, turn

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/"}

START = {"type": "http.response.start", "status": 200}
Play = Callable[[RecordingStream, RequestVisit], Awaitable[None]]


def body(data: bytes = b"", *, more: bool = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def visited(application: Application, play: Play) -> RecordingStream:
    """Play the client while the application runs, which must come to its end."""
    stream = RecordingStream()

    async def main() -> None:
        visit = RequestVisit(stream, b"GET")
        async with asyncio.TaskGroup() as group:
            group.create_task(visit.run(contained(application), SCOPE), name="application")
            await play(stream, visit)

    run(main())
    return stream


async def whole(stream: RecordingStream, visit: RequestVisit) -> None:
    visit.end()


def test_the_request_comes_as_it_comes() -> None:
    events = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        events.append(await receive())
        events.append(await receive())
        events.append(await receive())
        await send(START)
        await send(body(b"ok"))
        events.append(await receive())
        events.append(await receive())

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        visit.body(b"o")
        visit.body(b"n")
        await eventually(lambda: len(events) == 1)
        assert stream.consumed_bytes == 2
        visit.body(b"two")
        await eventually(lambda: len(events) == 2)
        visit.end()

    stream = visited(application, play)
    assert events == [
        {"type": "http.request", "body": b"on", "more_body": True},
        {"type": "http.request", "body": b"two", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]
    assert stream.consumed_bytes == 5
    assert (stream.status, bytes(stream.content), stream.is_reading) == (200, b"ok", True)


def test_two_may_wait_for_events() -> None:
    """One for the body, and another for the client's leave, as Starlette's streams do."""
    events = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            events.append((await receive())["type"])

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(), name="one")
            group.create_task(listen(), name="other")

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        await turn()
        visit.end()
        await eventually(lambda: len(events) == 1)
        await turn()
        assert events == ["http.request"]
        visit.reset()

    visited(application, play)
    assert events == ["http.request", "http.disconnect"]


def test_what_was_not_taken_is_not_consumed() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body())

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        visit.body(b"some")
        await eventually(lambda: stream.has_ended)

    stream = visited(application, play)
    assert stream.consumed_bytes == 0
    assert not stream.is_reading, "the rest of the request is not wanted"


def test_the_application_waits_for_a_slow_client() -> None:
    sent = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(3):
            await send(body(b"x", more=number < 2))
            sent.append(number)

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        visit.end()
        visit.pause()
        await turn()
        assert sent == []
        visit.resume()
        await eventually(lambda: len(sent) == 3)

    assert visited(application, play).content == b"xxx"


def test_a_client_that_leaves() -> None:
    events: list[object] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        events.append(await receive())
        events.append(await receive())
        await send(START)
        await send(body(b"nobody"))
        events.append("went on")

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        visit.body(b"some")
        await eventually(lambda: len(events) == 1)
        visit.body(b"more")
        visit.reset()

    stream = visited(application, play)
    assert events[1:] == [{"type": "http.disconnect"}, "went on"]
    assert not stream.status
    assert not stream.is_over


def test_a_client_that_leaves_while_the_application_waits_for_it() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"x", more=True))
        await send(body(b"y", more=True))

    async def play(stream: RecordingStream, visit: RequestVisit) -> None:
        visit.pause()
        await turn()
        visit.reset()

    assert visited(application, play).status == 0


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(3)])
def test_a_failure_before_the_answer(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    stream = visited(application, whole)
    assert (stream.status, bytes(stream.content)) == (500, b"Internal Server Error")
    (record,) = caplog.records
    assert record.getMessage() == "the ASGI application failed: GET /"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_failure_after_its_beginning(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"half", more=True))
        raise ValueError("why")

    assert visited(application, whole).why is StreamReset.INTERNAL
    assert len(caplog.records) == 1


def test_a_failure_behind_the_answer_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"all"))
        raise ValueError("why")

    stream = visited(application, whole)
    assert (bytes(stream.content), stream.has_ended, stream.why) == (b"all", True, None)
    assert len(caplog.records) == 1


def test_an_answer_that_does_not_come(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"half", more=True))

    assert visited(nothing, whole).status == 500
    assert visited(half, whole).why is StreamReset.INTERNAL
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_a_call_that_is_cancelled_is_answered() -> None:
    stream = RecordingStream()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        visit = RequestVisit(stream, b"GET")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(visit.run(contained(application), SCOPE), name="application")
            await turn()
            task.cancel()

    run(main())
    assert stream.status == 500
    assert not stream.is_reading
