"""A WebSocket over a stream and its application: events, back-pressure and the end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from httpprocessproxy.asgi import websocket as tested
from httpprocessproxy.asgi.interface import Application, Receive, Scope, Send, contained
from httpprocessproxy.asgi.websocket import WebSocketSink
from httpprocessproxy.frontends.streams import Fields
from test.asgi.websocket_client import OFFER, Client, texts
from test.frontends.ends import RecordingStream
from test.loops import eventually, run, turn

SCOPE: Scope = {"type": "websocket", "path": "/"}
Event = dict[str, object]


class Stage:
    """A stream, its sink, and the WebSocket client at the other end."""

    def __init__(self, fields: Fields) -> None:
        self.stream = RecordingStream()
        self.sink = WebSocketSink(self.stream, fields)
        self.client = Client()

    def heard(self) -> list[str]:
        """The text messages received since the last call."""
        data = bytes(self.stream.content)
        self.stream.content.clear()
        return texts(self.client.fed(data))

    @property
    def close_code(self) -> int | None:
        self.heard()
        return self.client.close_rcvd.code if self.client.close_rcvd else None


Play = Callable[[Stage], Awaitable[None]]


def staged(application: Application, play: Play, fields: Fields = ()) -> Stage:
    stages = []

    async def main() -> None:
        stages.append(Stage(fields))
        async with asyncio.TaskGroup() as group:
            group.create_task(stages[0].sink.run(contained(application), SCOPE), name="application")
            await play(stages[0])

    run(main())
    return stages[0]


async def nothing(stage: Stage) -> None:
    pass


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"X", b"1")]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def answering(*events: Event) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    return application


def test_messages_are_echoed_until_the_client_closes() -> None:
    async def play(stage: Stage) -> None:
        stage.sink.body(stage.client.text("early"))  # before the WebSocket is accepted
        await eventually(lambda: bool(stage.stream.content))
        assert stage.heard() == ["early"]
        stage.sink.body(stage.client.text("late"))
        await eventually(lambda: bool(stage.stream.content))
        assert stage.heard() == ["late"]
        stage.sink.body(stage.client.closing(4001))
        assert stage.close_code == 4001
        stage.sink.end()

    stage = staged(echo, play)
    assert stage.stream.status == 200
    assert {(b"x", b"1"), (b"sec-websocket-protocol", b"b")} < set(stage.stream.fields)
    assert stage.stream.has_ended


def test_accepted_compression_is_sent_in_the_response() -> None:
    stage = staged(
        answering({"type": "websocket.accept"}), nothing, [(b"sec-websocket-extensions", OFFER)]
    )
    (told,) = [v for name, v in stage.stream.fields if name == b"sec-websocket-extensions"]
    assert told.startswith(b"permessage-deflate")


def test_messages_not_received_by_the_application_are_not_consumed() -> None:
    taken = []
    go_on = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        for _ in range(2):
            taken.append(await receive())

    async def play(stage: Stage) -> None:
        await eventually(lambda: stage.stream.status == 200)
        data = stage.client.text("one") + stage.client.text("two")
        stage.sink.body(data[:3])
        assert stage.stream.consumed_bytes == 3, "a message may be larger than any window"
        stage.sink.body(data[3:])
        await turn()
        assert stage.stream.consumed_bytes == 3
        go_on.set()
        await eventually(lambda: len(taken) == 2)
        assert stage.stream.consumed_bytes == len(data)

    staged(application, play)


def test_application_waits_for_a_slow_client() -> None:
    sent = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
            sent.append(number)

    async def play(stage: Stage) -> None:
        stage.sink.pause()
        await turn()
        assert not sent
        stage.sink.resume()
        await eventually(lambda: len(sent) == 3)
        assert stage.heard() == ["0", "1", "2"]

    staged(application, play)


def test_close_before_accept_gives_403() -> None:
    stage = staged(answering({"type": "websocket.close"}), nothing)
    assert (stage.stream.status, stage.stream.has_ended) == (403, True)
    assert not stage.stream.is_reading


def test_denial_response_is_sent_in_place_of_a_websocket() -> None:
    stage = staged(
        answering(
            {"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]},
            {"type": "websocket.http.response.body", "body": b"who ", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"are you?"},
        ),
        nothing,
    )
    assert (stage.stream.status, bytes(stage.stream.content)) == (401, b"who are you?")
    assert (b"a", b"b") in stage.stream.fields
    assert stage.stream.has_ended


@pytest.mark.parametrize("begins", [True, False])
def test_failure_closes_with_1011_or_gives_500(
    begins: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if begins:
            await send({"type": "websocket.accept"})
        raise ValueError("why")

    stage = staged(application, nothing)
    assert stage.stream.status == (200 if begins else 500)
    if begins:
        assert stage.close_code == 1011
    else:
        assert bytes(stage.stream.content) == b"Internal Server Error"
    assert stage.stream.has_ended
    assert caplog.records[0].getMessage() == "the ASGI application failed: WebSocket /"


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([], 1000),
        ([{"type": "websocket.close"}], 1000),
        ([{"type": "websocket.close", "code": 4000, "reason": "r"}], 4000),
    ],
)
def test_close_frame_has_the_code_of_the_application(events: list[Event], code: int) -> None:
    stage = staged(answering({"type": "websocket.accept"}, *events), nothing)
    assert stage.close_code == code
    assert stage.stream.has_ended


def test_reading_stops_when_the_client_does_not_answer_a_close_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tested, "CLOSE_TIMEOUT_S", 0.01)

    async def play(stage: Stage) -> None:
        await eventually(lambda: not stage.stream.is_reading)

    staged(answering({"type": "websocket.accept"}), play)


@pytest.mark.parametrize("how", ["ends", "is reset"])
def test_client_that_leaves_is_a_disconnect_with_1006(how: str) -> None:
    seen: list[object] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.extend([await receive(), await receive()])
        await send({"type": "websocket.send", "text": "nobody hears it"})

    async def play(stage: Stage) -> None:
        await eventually(lambda: stage.stream.status == 200)
        stage.sink.end() if how == "ends" else stage.sink.reset()

    stage = staged(application, play)
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}] * 2
    assert not stage.heard()


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "websocket.send", "text": "x"}],
        [{"type": "websocket.accept"}, {"type": "websocket.accept"}],
        [{"type": "websocket.accept"}, {"type": "websocket.http.response.start", "status": 200}],
        [{"type": "websocket.http.response.start", "status": 200}, {"type": "websocket.accept"}],
        [{"type": "http.response.start", "status": 200}],
    ],
)
def test_event_out_of_turn_is_logged_as_a_failure(
    events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    staged(answering(*events), nothing)
    assert "out of turn" in caplog.text
