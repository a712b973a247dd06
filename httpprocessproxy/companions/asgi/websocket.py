"""A WebSocket over a stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), and its application.

Messages that the application has not taken yet are not `consumed`; a message that is not whole is,
for it may be larger than any window.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, cast

from websockets.frames import CloseCode

from httpprocessproxy.companions.asgi.channel import WebSocketChannel
from httpprocessproxy.companions.asgi.interface import Application, ApplicationError, Event, Scope
from httpprocessproxy.companions.asgi.response import ApplicationResponse, checked, with_date
from httpprocessproxy.companions.asgi.visit import Conversation
from httpprocessproxy.frontends.streams import Fields, Stream

# How long a client has to answer our close frame.
CLOSE_TIMEOUT_S: Final = 10.0

_DENIAL: Final = "websocket.http.response."

_log = logging.getLogger(__name__)


class WebSocketVisit(Conversation):
    """A `Visit` that begins as a request: until it is accepted, it may be answered as one."""

    def __init__(self, stream: Stream, fields: Fields) -> None:
        """Raises InvalidHandshake."""
        super().__init__()
        self._stream = stream
        self._channel = WebSocketChannel(fields)
        self._response = ApplicationResponse(stream, b"CONNECT")
        self._events: deque[Event] = deque([{"type": "websocket.connect"}])
        self._is_accepted = False
        self._early: list[bytes] = []  # what has come before that
        self._has_request_ended = False
        self._unread_bytes = 0
        self._is_over = False  # our side has ended
        self._close_timer: asyncio.TimerHandle | None = None

    # Visit

    def body(self, data: bytes) -> None:
        self._unread_bytes += len(data)
        if self._is_accepted:
            self._receive(data)
        else:
            self._early.append(data)

    def end(self, trailers: Fields = ()) -> None:
        self._cancel_timer()
        self._has_request_ended = True
        if self._is_accepted:
            self._tell(self._channel.receive_end())
            self._flush()

    def reset(self) -> None:
        super().reset()
        self._cancel_timer()
        self._tell(self._channel.receive_end())

    def _receive(self, data: bytes) -> None:
        self._tell(self._channel.receive(data))
        self._flush()
        if not self._events:
            self._consume()

    def _tell(self, events: Sequence[Event]) -> None:
        self._events += events
        self._has_news.set()

    def _consume(self) -> None:
        if self._unread_bytes and not self._has_client_gone:
            self._stream.consumed(self._unread_bytes)
        self._unread_bytes = 0

    def _flush(self) -> None:
        """Send what the channel has made, and end our side behind its close frame."""
        output = self._channel.output()
        if not self._is_accepted or self._is_over or self._has_client_gone:
            return
        self._stream.body(output)
        if self._channel.has_closed:
            self._is_over = True
            self._stream.end()
            if not self._has_request_ended:
                loop = asyncio.get_running_loop()
                self._close_timer = loop.call_later(CLOSE_TIMEOUT_S, self._stream.stop_reading)

    def _cancel_timer(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()

    # The application

    async def run(self, application: Application, scope: Scope) -> None:
        """Run a contained application to its end, and close in its place if it does not."""
        code = CloseCode.INTERNAL_ERROR
        try:
            await application(scope, self.receive, self.send)
        except ApplicationError as error:
            what = f"WebSocket {scope['path']}"
            _log.error("the ASGI application failed: %s", what, exc_info=error.__cause__)
        else:
            code = CloseCode.NORMAL_CLOSURE
        finally:
            if not self._is_over and not self._has_client_gone:
                self._end(code)

    async def receive(self) -> Event:
        while not self._events:
            self._has_news.clear()
            await self._has_news.wait()
        if self._events[0]["type"] == "websocket.disconnect":
            return self._events[0]  # it stays the last
        event = self._events.popleft()
        if self._is_accepted and not self._events:
            self._consume()
        return event

    async def send(self, event: Mapping[str, object]) -> None:
        """Take an event. Raises RuntimeError for one out of turn, ValueError for a bad one."""
        await self._may_send.wait()
        if self._has_client_gone or self._channel.has_closed:
            return
        kind = str(event["type"])
        if self._is_accepted and kind == "websocket.send":
            self._channel.send(event)
            self._flush()
        elif self._is_accepted and kind == "websocket.close":
            self._close(int(cast(int, event.get("code", 1000))), str(event.get("reason") or ""))
        elif not self._is_accepted and kind.startswith(_DENIAL):
            self._answer({**event, "type": kind.replace("websocket.", "")})
        elif self._is_accepted or self._response.has_started:
            raise RuntimeError(f"ASGI event {kind!r} out of turn")
        elif kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            self._answer({"type": "http.response.start", "status": 403})
            self._answer({"type": "http.response.body"})
        else:
            raise RuntimeError(f"ASGI event {kind!r} out of turn")

    def _accept(self, event: Mapping[str, object]) -> None:
        fields = with_date(checked(event.get("headers", ())))
        extension, subprotocol = self._channel.extension, event.get("subprotocol")
        if extension is not None:
            fields = [*fields, (b"sec-websocket-extensions", extension.encode())]
        if subprotocol is not None:
            fields = [*fields, (b"sec-websocket-protocol", str(subprotocol).encode("latin-1"))]
        self._stream.head(200, fields)  # RFC 8441 section 5
        self._is_accepted = True
        early, self._early = b"".join(self._early), []
        self._receive(early)
        if self._has_request_ended:
            self.end()

    def _close(self, code: int, reason: str) -> None:
        self._tell(self._channel.close(code, reason))
        self._flush()

    def _answer(self, event: Mapping[str, object]) -> None:
        """Answer in place of a WebSocket."""
        self._response.send(event)
        if self._response.is_complete:
            self._end_answer()

    def _end(self, code: CloseCode) -> None:
        if self._is_accepted:
            self._close(code, "")
        else:
            self._response.fail()
            self._end_answer()

    def _end_answer(self) -> None:
        self._is_over = True
        self._tell([{"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE)}])
        self._stream.stop_reading()
