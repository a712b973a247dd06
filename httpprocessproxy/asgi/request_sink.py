"""A request of HTTP/2 or HTTP/3 and the application that responds to it, in a task of its own.

The rule of back-pressure: data that the application has not received is not `consumed`, and while
the client does not read, `send` waits.
"""

import asyncio
import logging
from collections.abc import Mapping

from httpprocessproxy.asgi.interface import Application, ApplicationError, Event, Scope
from httpprocessproxy.asgi.response import ApplicationResponse
from httpprocessproxy.frontends.streams import Fields, Stream

_log = logging.getLogger(__name__)


class ApplicationSink:
    """The back-pressure that the `RequestSink`s of requests and of WebSockets share."""

    def __init__(self) -> None:
        self._has_client_gone = False
        self._has_input = asyncio.Event()  # wakes `receive`
        self._may_send = asyncio.Event()
        self._may_send.set()

    def reset(self) -> None:
        self._has_client_gone = True
        self._has_input.set()
        self._may_send.set()

    def pause(self) -> None:
        self._may_send.clear()

    def resume(self) -> None:
        self._may_send.set()


class HttpRequestSink(ApplicationSink):
    """A `RequestSink`: the application gets the request's body by `receive`."""

    def __init__(self, stream: Stream, method: bytes) -> None:
        super().__init__()
        self._stream = stream
        self._response = ApplicationResponse(stream, method)
        self._pieces: list[bytes] = []
        self._has_request_ended = False
        self._is_request_taken = False

    # RequestSink

    def body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._has_input.set()

    def end(self, trailers: Fields = ()) -> None:
        self._has_request_ended = True
        self._has_input.set()

    # The application

    async def run(self, application: Application, scope: Scope) -> None:
        """Run a contained application; fail the response if the application does not complete it.

        `contained` (interface.py) makes each failure of the application an ApplicationError.
        """
        try:
            await application(scope, self.receive, self.send)
        except ApplicationError as error:
            what = f"{scope['method']} {scope['path']}"
            _log.error("the ASGI application failed: %s", what, exc_info=error.__cause__)
        else:
            if not self._is_over:
                _log.error("the ASGI application returned without a complete response")
        finally:
            if not self._is_over:
                self._response.fail()
                self._end()

    async def receive(self) -> Event:
        """ASGI's `receive`: the next event of the request."""
        while not self._has_event():
            self._has_input.clear()
            await self._has_input.wait()
        if self._is_over:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._is_request_taken = self._has_request_ended
        if body:
            self._stream.consumed(len(body))
        return {"type": "http.request", "body": body, "more_body": not self._has_request_ended}

    async def send(self, event: Mapping[str, object]) -> None:
        """ASGI's `send`; after the client has left, the event is discarded."""
        await self._may_send.wait()
        if self._has_client_gone:
            return
        self._response.send(event)
        if self._response.is_complete:
            self._end()

    def _has_event(self) -> bool:
        has_end = self._has_request_ended and not self._is_request_taken
        return self._is_over or bool(self._pieces) or has_end

    @property
    def _is_over(self) -> bool:
        return self._has_client_gone or self._response.is_complete

    def _end(self) -> None:
        """End the request with its response: the rest of the body is not read."""
        self._has_input.set()
        if not self._has_request_ended:
            self._stream.stop_reading()
