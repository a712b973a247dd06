"""The `Handler` of HTTP/2 and HTTP/3 streams that calls an ASGI application."""

import asyncio

from websockets.exceptions import InvalidHandshake

from httpprocessproxy.asgi.interface import Application, Scope, State
from httpprocessproxy.asgi.request_sink import HttpRequestSink
from httpprocessproxy.asgi.scope import http_scope, websocket_scope
from httpprocessproxy.asgi.websocket import WebSocketSink
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.requests import refuse
from httpprocessproxy.frontends.streams import Head, RequestSink, Stream
from httpprocessproxy.system.faults import contained


class ApplicationHandler:
    """A `Handler` that calls the application for each request, in a task of `group`."""

    def __init__(self, application: Application, state: State, group: asyncio.TaskGroup) -> None:
        self._application = application
        self._state = state
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, head: Head, stream: Stream) -> RequestSink:
        try:
            if head.protocol is not None:
                return self._open_websocket(head, stream)
        except RequestError as error:
            refuse(stream, error)
            return HttpRequestSink(stream, head.method)
        sink = HttpRequestSink(stream, head.method)
        self._run(sink, http_scope(head, self._state))
        return sink

    async def cancel(self) -> None:
        """Cancel the active calls, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _open_websocket(self, head: Head, stream: Stream) -> WebSocketSink:
        """Start the call for an extended CONNECT. Raises RequestError: 400 or 501."""
        if head.protocol != b"websocket":
            raise RequestError(501, "a protocol other than websocket")  # RFC 9220 section 3
        try:
            sink = WebSocketSink(stream, head.fields)
        except InvalidHandshake as error:
            raise RequestError(400, str(error)) from error
        self._run(sink, websocket_scope(head, self._state))
        return sink

    def _run(self, sink: HttpRequestSink | WebSocketSink, scope: Scope) -> None:
        call = self._call(sink, scope)
        task = self._group.create_task(call, name=f"application, {scope['path']}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, sink: HttpRequestSink | WebSocketSink, scope: Scope) -> None:
        with contained(f"a call of the application, {scope['path']},"):
            await sink.run(self._application, scope)
