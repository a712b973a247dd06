"""A WebSocket over a stream, and its application."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from httpprocessproxy.companions.asgi import websocket as tested
from httpprocessproxy.companions.asgi.interface import Application, Receive, Scope, Send, contained
from httpprocessproxy.companions.asgi.websocket import WebSocketVisit
from httpprocessproxy.frontends.streams import Fields
from test.companions.asgi.websocket_client import OFFER, Client, texts
from test.frontends.ends import RecordingStream
from test.loops import eventually, run, turn

SCOPE: Scope = {"type": "websocket", "path": "/"}
Event = dict[str, object]


class Stage:
    """A stream, the visit, and the client at the other end of it."""

    def __init__(self, fields: Fields) -> None:
        self.stream = RecordingStream()
        self.visit = WebSocketVisit(self.stream, fields)
        self.client = Client()

    def heard(self) -> list[str]:
        """The texts that have come since the last time."""
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
            group.create_task(
                stages[0].visit.run(contained(application), SCOPE), name="application"
            )
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


def test_echo_until_the_client_closes() -> None:
    async def play(stage: Stage) -> None:
        stage.visit.body(stage.client.text("early"))  # before it is accepted
        await eventually(lambda: bool(stage.stream.content))
        assert stage.heard() == ["early"]
        stage.visit.body(stage.client.text("late"))
        await eventually(lambda: bool(stage.stream.content))
        assert stage.heard() == ["late"]
        stage.visit.body(stage.client.closing(4001))
        assert stage.close_code == 4001
        stage.visit.end()

    stage = staged(echo, play)
    assert stage.stream.status == 200
    assert {(b"x", b"1"), (b"sec-websocket-protocol", b"b")} < set(stage.stream.fields)
    assert stage.stream.has_ended


def test_compression_is_told() -> None:
    stage = staged(
        answering({"type": "websocket.accept"}), nothing, [(b"sec-websocket-extensions", OFFER)]
    )
    (told,) = [v for name, v in stage.stream.fields if name == b"sec-websocket-extensions"]
    assert told.startswith(b"permessage-deflate")


def test_messages_that_were_not_taken_are_not_consumed() -> None:
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
        stage.visit.body(data[:3])
        assert stage.stream.consumed_bytes == 3, "a message may be larger than any window"
        stage.visit.body(data[3:])
        await turn()
        assert stage.stream.consumed_bytes == 3
        go_on.set()
        await eventually(lambda: len(taken) == 2)
        assert stage.stream.consumed_bytes == len(data)

    staged(application, play)


def test_the_application_waits_for_a_slow_client() -> None:
    sent = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
            sent.append(number)

    async def play(stage: Stage) -> None:
        stage.visit.pause()
        await turn()
        assert not sent
        stage.visit.resume()
        await eventually(lambda: len(sent) == 3)
        assert stage.heard() == ["0", "1", "2"]

    staged(application, play)


def test_a_refusal() -> None:
    stage = staged(answering({"type": "websocket.close"}), nothing)
    assert (stage.stream.status, stage.stream.has_ended) == (403, True)
    assert not stage.stream.is_reading


def test_an_answer_in_place_of_a_websocket() -> None:
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
def test_a_failure(begins: bool, caplog: pytest.LogCaptureFixture) -> None:
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
def test_the_application_closes(events: list[Event], code: int) -> None:
    stage = staged(answering({"type": "websocket.accept"}, *events), nothing)
    assert stage.close_code == code
    assert stage.stream.has_ended


def test_a_client_that_does_not_answer_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "CLOSE_TIMEOUT_S", 0.01)

    async def play(stage: Stage) -> None:
        await eventually(lambda: not stage.stream.is_reading)

    staged(answering({"type": "websocket.accept"}), play)


@pytest.mark.parametrize("how", ["ends", "is reset"])
def test_a_client_that_leaves(how: str) -> None:
    seen: list[object] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.extend([await receive(), await receive()])
        await send({"type": "websocket.send", "text": "nobody hears it"})

    async def play(stage: Stage) -> None:
        await eventually(lambda: stage.stream.status == 200)
        stage.visit.end() if how == "ends" else stage.visit.reset()

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
def test_what_is_out_of_turn(events: list[Event], caplog: pytest.LogCaptureFixture) -> None:
    staged(answering(*events), nothing)
    assert "out of turn" in caplog.text
