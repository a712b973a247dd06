"""Who calls the application for what comes over HTTP/2 and HTTP/3: a `Handler`."""

import asyncio

from websockets.exceptions import InvalidHandshake

from httpprocessproxy.asgi.interface import Application, Scope, State
from httpprocessproxy.asgi.scope import http_scope, websocket_scope
from httpprocessproxy.asgi.visit import RequestVisit
from httpprocessproxy.asgi.websocket import WebSocketVisit
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.faults import contained
from httpprocessproxy.front_door.requests import refuse
from httpprocessproxy.front_door.streams import Head, Stream, Visit


class Visits:
    """A `Handler` that answers each request by a call of the application, in a task of `group`."""

    def __init__(self, application: Application, state: State, group: asyncio.TaskGroup) -> None:
        self._application = application
        self._state = state
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, head: Head, stream: Stream) -> Visit:
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
