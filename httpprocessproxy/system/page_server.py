"""A small HTTP/1.1 server for the program's own pages, which the data plane forwards to it.

It is for requests without a content, of a client that waits for each response. aiohttp serves pages
that need more; its import takes 130 ms and 13 MB, which each run with a page would pay.
"""

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import parse_qsl

import httptools

from httpprocessproxy.system import faults

_NO_CONTENT: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`query` and `fields` have the first value of each name, which is lower-case in `fields`.

    `path` is still percent-encoded; `named` has its segments that a table of pages names.
    """

    method: str
    path: str
    query: Mapping[str, str]
    fields: Mapping[str, str]
    is_last: bool = False
    named: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        """Whether the request has a header field of this name."""
        return name.lower() in self.fields

    def get(self, name: str, default: str = "") -> str:
        """The value of a header field."""
        return self.fields.get(name.lower(), default)


@dataclass(slots=True)
class PageResponse:
    """`pieces` follow `body`, as they come; they are closed when the client is gone."""

    status: int = 200
    body: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)
    pieces: AsyncGenerator[bytes] | None = None


Handler = Callable[[PageRequest], Awaitable[PageResponse]]


def json_response(value: object, status: int = 200) -> PageResponse:
    return PageResponse(
        status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"}
    )


def text_response(text: str, kind: str = "plain") -> PageResponse:
    """A response of the content type text/`kind`."""
    fields = {"Content-Type": f"text/{kind}; charset=utf-8"}
    return PageResponse(200, text.encode(errors="replace"), fields)


@contextlib.asynccontextmanager
async def serving_pages(
    listener: socket.socket, respond: Handler, *, drain_s: float
) -> AsyncIterator[None]:
    """Serve on `listener` while the context is open, and close it at the end.

    Requests in flight have `drain_s` seconds then. `respond` is cancelled when its client leaves.
    """
    loop = asyncio.get_running_loop()
    connections: set[_Connection] = set()
    async with asyncio.TaskGroup() as group:
        server = await loop.create_unix_server(
            lambda: _Connection(respond, group, connections), sock=listener
        )
        try:
            yield
        finally:
            server.close()
            tasks = [connection.finish() for connection in list(connections)]
            if running := [task for task in tasks if task is not None]:
                await asyncio.wait(running, timeout=drain_s)
            for connection in list(connections):
                connection.abort()


class _Connection(asyncio.Protocol):
    """A connection of the data plane, and the callbacks of its parser."""

    def __init__(
        self, respond: Handler, group: asyncio.TaskGroup, connections: set["_Connection"]
    ) -> None:
        self._respond = respond
        self._group = group
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[PageRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_ending = False

    def finish(self) -> asyncio.Task[None] | None:
        """Close after the response in flight, and return its task; close at once without one."""
        self._is_ending = True
        if self._task is None:
            self._transport.close()
        return self._task

    def abort(self) -> None:
        self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered like any other request
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self._transport.close()

    # Called by the parser

    def on_message_begin(self) -> None:
        self._target = b""
        self._fields: dict[str, str] = {}

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.setdefault(name.decode().lower(), value.decode(errors="surrogateescape"))

    def on_headers_complete(self) -> None:
        if "expect" in self._fields:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_message_complete(self) -> None:
        path, _, query = self._target.decode(errors="surrogateescape").partition("?")
        request = PageRequest(
            self._parser.get_method().decode(),
            path,
            dict(reversed(parse_qsl(query, keep_blank_values=True))),
            self._fields,
            not self._parser.should_keep_alive(),
        )
        self._waiting.append(request)
        if self._task is None:
            self._task = self._group.create_task(self._answer(), name="a page")

    # Responses

    async def _answer(self) -> None:
        is_answered = False
        with faults.contained("a page"):
            while self._waiting:
                request = self._waiting.popleft()
                await self._send(request, await self._respond(request))
                self._is_ending |= request.is_last
            is_answered = True
        self._task = None
        if self._is_ending or not is_answered:
            self._transport.close()

    async def _send(self, request: PageRequest, response: PageResponse) -> None:
        status, fields, pieces = response.status, response.fields, response.pieces
        if pieces is not None:
            fields["Transfer-Encoding"] = "chunked"
        elif status not in _NO_CONTENT:
            fields["Content-Length"] = str(len(response.body))
        if request.is_last or self._is_ending:
            fields["Connection"] = "close"
        fields["Date"] = formatdate(usegmt=True)
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join((f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *lines, "", ""))
        has_body = request.method != "HEAD" and status not in _NO_CONTENT
        self._transport.write(head.encode() + (response.body if has_body else b""))
        if pieces is not None:
            async with contextlib.aclosing(pieces):
                if has_body:
                    await self._send_pieces(pieces)

    async def _send_pieces(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await self._has_room.wait()
        self._transport.write(b"0\r\n\r\n")
