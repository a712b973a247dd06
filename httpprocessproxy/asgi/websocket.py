"""A WebSocket over a stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), and its application.

The rule of back-pressure: a message that the application has not received is not `consumed`; an
incomplete message is, because it may be larger than the flow-control window.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, cast

from websockets.frames import CloseCode

from httpprocessproxy.asgi.channel import WebSocketChannel
from httpprocessproxy.asgi.interface import Application, ApplicationError, Event, Scope
from httpprocessproxy.asgi.request_sink import ApplicationSink
from httpprocessproxy.asgi.response import ApplicationResponse, checked, with_date
from httpprocessproxy.frontends.streams import Fields, Stream

# For the client to answer a close frame.
CLOSE_TIMEOUT_S: Final = 10.0

_DENIAL: Final = "websocket.http.response."

_log = logging.getLogger(__name__)


class WebSocketSink(ApplicationSink):
    """A `RequestSink` of an extended CONNECT; instead of accepting, an application may deny it."""

    def __init__(self, stream: Stream, fields: Fields) -> None:
        """Raises InvalidHandshake for a malformed offer of extensions in `fields`."""
        super().__init__()
        self._stream = stream
        self._channel = WebSocketChannel(fields)
        self._response = ApplicationResponse(stream, b"CONNECT")
        self._events: deque[Event] = deque([{"type": "websocket.connect"}])
        self._is_accepted = False
        self._early: list[bytes] = []  # received before the WebSocket is accepted
        self._has_request_ended = False
        self._unread_bytes = 0
        self._is_over = False  # the server's side has ended
        self._close_timer: asyncio.TimerHandle | None = None

    # RequestSink

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
            self._queue(self._channel.receive_end())
            self._flush()

    def reset(self) -> None:
        super().reset()
        self._cancel_timer()
        self._queue(self._channel.receive_end())

    def _receive(self, data: bytes) -> None:
        self._queue(self._channel.receive(data))
        self._flush()
        if not self._events:
            self._consume()

    def _queue(self, events: Sequence[Event]) -> None:
        """Queue events for `receive`."""
        self._events += events
        self._has_input.set()

    def _consume(self) -> None:
        if self._unread_bytes and not self._has_client_gone:
            self._stream.consumed(self._unread_bytes)
        self._unread_bytes = 0

    def _flush(self) -> None:
        """Send the channel's output, and end the server's side after a close frame."""
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
        """Run a contained application; close the WebSocket if the application does not."""
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
        """ASGI's `receive`: the next event; after the end, always `websocket.disconnect`."""
        while not self._events:
            self._has_input.clear()
            await self._has_input.wait()
        if self._events[0]["type"] == "websocket.disconnect":
            return self._events[0]
        event = self._events.popleft()
        if self._is_accepted and not self._events:
            self._consume()
        return event

    async def send(self, event: Mapping[str, object]) -> None:
        """Send an event. Raises RuntimeError for one out of turn, ValueError for a bad one."""
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
            self._deny({**event, "type": kind.replace("websocket.", "")})
        elif self._is_accepted or self._response.has_started:
            raise RuntimeError(f"ASGI event {kind!r} out of turn")
        elif kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            self._deny({"type": "http.response.start", "status": 403})
            self._deny({"type": "http.response.body"})
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
        self._queue(self._channel.close(code, reason))
        self._flush()

    def _deny(self, event: Mapping[str, object]) -> None:
        """Send an event of the response that denies the WebSocket."""
        self._response.send(event)
        if self._response.is_complete:
            self._end_denial()

    def _end(self, code: CloseCode) -> None:
        if self._is_accepted:
            self._close(code, "")
        else:
            self._response.fail()
            self._end_denial()

    def _end_denial(self) -> None:
        self._is_over = True
        self._queue([{"type": "websocket.disconnect", "code": int(CloseCode.ABNORMAL_CLOSURE)}])
        self._stream.stop_reading()
