"""The log lines of `debug`."""

import asyncio
import logging

import pytest

from httpprocessproxy.asgi.interface import Event, Receive, Scope, Send
from httpprocessproxy.asgi.trace import traced


@pytest.mark.parametrize(
    ("kind", "answer", "line"),
    [
        ("http", {"type": "http.response.start", "status": 404}, "HTTP/3 GET '/a b' 404"),
        ("http", {"type": "http.response.body"}, ""),
        ("websocket", {"type": "websocket.accept"}, "HTTP/3 WebSocket '/a b' accepted"),
        ("websocket", {"type": "websocket.close"}, "HTTP/3 WebSocket '/a b' closed"),
    ],
)
def test_line_is_logged_where_a_response_begins(
    kind: str, answer: Event, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sent = []
    scope: Scope = {"type": kind, "http_version": "3", "path": "/a b", "client": ("::1", 5)}
    if kind == "http":
        scope["method"] = "GET"

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(answer)

    async def receive() -> Event:
        raise AssertionError("it asks for nothing")

    async def send(event: object) -> None:
        sent.append(event)

    asyncio.run(traced(application)(scope, receive, send))  # type: ignore[arg-type]
    assert sent == [answer]
    assert [record.getMessage() for record in caplog.records] == [f"('::1', 5) {line}"] * bool(line)
