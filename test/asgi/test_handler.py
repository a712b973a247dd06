"""The handler: the sinks of requests and WebSockets, and the cancellation of calls."""

import asyncio

import pytest

from httpprocessproxy.asgi.handler import ApplicationHandler
from httpprocessproxy.asgi.interface import Receive, Scope, Send, contained
from httpprocessproxy.frontends.streams import Fields
from test.asgi.test_scope import HEAD
from test.frontends.ends import RecordingStream
from test.loops import eventually, run, turn


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/wait":
        await asyncio.Event().wait()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(scope["state"]).encode()})


@pytest.mark.parametrize(
    ("protocol", "fields", "status"),
    [
        (None, [], 200),
        (b"websocket", [], 200),
        (b"websocket", [(b"sec-websocket-extensions", b"=")], 400),
        (b"webtransport", [], 501),
    ],
)
def test_request_gets_the_status_for_its_protocol(
    protocol: bytes | None, fields: Fields, status: int
) -> None:
    stream = RecordingStream()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            handler = ApplicationHandler(contained(application), {"a": 1}, group)
            sink = handler(HEAD._replace(protocol=protocol, fields=fields), stream)
            sink.end()
            await eventually(lambda: stream.has_ended)

    run(main())
    assert stream.status == status
    if protocol is None:
        assert bytes(stream.content) == b"{'a': 1}"


def test_cancel_ends_active_calls_with_500() -> None:
    stream = RecordingStream()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            handler = ApplicationHandler(contained(application), {}, group)
            handler(HEAD._replace(path=b"/wait"), stream).end()
            await turn()
            await handler.cancel()
            assert stream.status == 500

    run(main())
