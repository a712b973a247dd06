"""Who calls the application for what comes over HTTP/2 and HTTP/3: a `Handler`."""

import asyncio

from websockets.exceptions import InvalidHandshake

from httpprocessproxy.companions.asgi.interface import Application, Scope, State
from httpprocessproxy.companions.asgi.scope import http_scope, websocket_scope
from httpprocessproxy.companions.asgi.visit import RequestVisit
from httpprocessproxy.companions.asgi.websocket import WebSocketVisit
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.requests import refuse
from httpprocessproxy.frontends.streams import Head, RequestSink, Stream
from httpprocessproxy.system.faults import contained


class Visits:
    """A `Handler` that answers each request by a call of the application, in a task of `group`."""

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
            return RequestVisit(stream, head.method)
        visit = RequestVisit(stream, head.method)
        self._run(visit, http_scope(head, self._state))
        return visit

    async def cancel(self) -> None:
        """End the calls that are still under way, and wait until they have."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _open_websocket(self, head: Head, stream: Stream) -> WebSocketVisit:
        """Raises RequestError."""
        if head.protocol != b"websocket":
            raise RequestError(501, "a protocol other than websocket")  # RFC 9220 section 3
        try:
            visit = WebSocketVisit(stream, head.fields)
        except InvalidHandshake as error:
            raise RequestError(400, str(error)) from error
        self._run(visit, websocket_scope(head, self._state))
        return visit

    def _run(self, visit: RequestVisit | WebSocketVisit, scope: Scope) -> None:
        call = self._call(visit, scope)
        task = self._group.create_task(call, name=f"application, {scope['path']}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, visit: RequestVisit | WebSocketVisit, scope: Scope) -> None:
        with contained(f"a call of the application, {scope['path']},"):
            await visit.run(self._application, scope)
