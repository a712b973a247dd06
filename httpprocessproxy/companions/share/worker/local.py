"""The client of the server whose visits these are (RFC 9112).

The rule: the target is written byte for byte as it came, behind the address that the user gave: no
URL is joined, no redirect followed, no body decoded. What frames a message is ours to write. Only
what is safe and has no body goes out on a connection that was kept; if the server turns out to
have closed that one, it goes out again, on a new one. Nothing else is ever sent twice.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Source
from httpprocessproxy.companions.share.worker.connections import (
    Connections,
    LocalConnection,
    Target,
)
from httpprocessproxy.companions.share.worker.reasons import reason_of
from httpprocessproxy.core.errors import BodyError, PeerError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.headers import SAFE_METHODS, connection_options
from httpprocessproxy.core.http.http1 import ResponseHead, parse_response
from httpprocessproxy.system.faults import contained

# A server on this machine; above it a listen backlog is full, or nobody is there.
_CONNECT_TIMEOUT_S: Final = 10.0

_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)

_UPGRADE: Final = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


class LocalError(Exception):
    """The server cannot be reached, or does not answer in HTTP; the text says how."""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What came back: its head, and its body as it comes."""

    head: AnswerHead
    body: Source


class Local:
    """One for all visits to a target."""

    def __init__(self, target: Target) -> None:
        self._connections = Connections(target)

    def close(self) -> None:
        """Give up the connections that are kept."""
        self._connections.close()

    @contextlib.asynccontextmanager
    async def exchange(
        self, tasks: asyncio.TaskGroup, visit: VisitHead, body: Source, *, is_tunnel: bool
    ) -> AsyncIterator[LocalAnswer]:
        """Send a visit, and give the answer while the context is open. Raises LocalError.

        The body is sent by one of `tasks`, and so may be as long as it likes. Raises CutError if
        it ends before it has begun.
        """
        async with contextlib.AsyncExitStack() as exits:
            is_bare = not is_tunnel and _is_safe(visit) and not _length(visit.fields)
            if is_bare and (piece := await body.receive()):
                is_bare, body = False, _Begun(piece, body)
            if is_bare:
                yield await self._ask(exits, visit)
            else:
                yield await self._tell(exits, tasks, visit, body, is_tunnel=is_tunnel)

    async def _ask(self, exits: contextlib.AsyncExitStack, visit: VisitHead) -> LocalAnswer:
        """Send a request without a body, by a connection that was kept if there is one."""
        connection = self._connections.take()
        if connection is not None:
            exits.callback(self._connections.release, connection)
            try:
                return await _asked(connection, visit)
            except LocalError:
                if not connection.is_stale:
                    raise
        return await _asked(await self._connect(exits), visit)

    async def _tell(
        self,
        exits: contextlib.AsyncExitStack,
        tasks: asyncio.TaskGroup,
        visit: VisitHead,
        body: Source,
        *,
        is_tunnel: bool,
    ) -> LocalAnswer:
        """Send a request that may have a body, by a new connection."""
        connection = await self._connect(exits)
        request = _send(connection.writer, visit, body, is_tunnel=is_tunnel)
        sending = tasks.create_task(request, name="request of a visit")
        exits.callback(_end_sending, connection, sending)
        return await _answer(connection, visit.method, is_tunnel=is_tunnel)

    async def _connect(self, exits: contextlib.AsyncExitStack) -> LocalConnection:
        """Raises LocalError."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                connection = await self._connections.new()
        except (OSError, TimeoutError) as error:
            target = self._connections.target
            name = "the proxy" if isinstance(target, Path) else str(target)
            raise LocalError(f"{name} cannot be reached: {reason_of(error)}") from None
        exits.callback(self._connections.release, connection)
        return connection


async def _asked(connection: LocalConnection, visit: VisitHead) -> LocalAnswer:
    """Raises LocalError."""
    length = _length(visit.fields)
    framing = [] if length is None else [("Content-Length", str(length))]
    connection.writer.write(_head(visit, framing))
    return await _answer(connection, visit.method, is_tunnel=False)


def _end_sending(connection: LocalConnection, sending: asyncio.Task[None]) -> None:
    if not sending.done():
        connection.is_done = False  # the server has answered before it had all
        sending.cancel()


def _is_safe(visit: VisitHead) -> bool:
    return visit.method.encode() in SAFE_METHODS


class _Begun:
    """A source of which a piece has been received."""

    def __init__(self, piece: bytes, rest: Source) -> None:
        self._piece = piece
        self._rest = rest

    async def receive(self) -> bytes:
        piece, self._piece = self._piece, b""
        return piece or await self._rest.receive()


async def _send(
    writer: asyncio.StreamWriter, visit: VisitHead, body: Source, *, is_tunnel: bool
) -> None:
    """Send a request; a body that is cut, or not as long as it said, breaks the connection."""
    with contained("the request of a visit"):
        try:
            await _send_framed(writer, visit, body, is_tunnel=is_tunnel)
            return
        except (CutError, OSError):
            pass
    writer.transport.abort()


async def _send_framed(
    writer: asyncio.StreamWriter, visit: VisitHead, body: Source, *, is_tunnel: bool
) -> None:
    """Raises CutError and OSError."""
    length = _length(visit.fields)
    if is_tunnel:
        writer.write(_head(visit, _UPGRADE))
        await _send_pieces(writer, body, None)
    elif length is not None:
        writer.write(_head(visit, [("Content-Length", str(length))]))
        await _send_pieces(writer, body, length)
    else:
        await _send_unknown(writer, visit, body)


async def _send_unknown(writer: asyncio.StreamWriter, visit: VisitHead, body: Source) -> None:
    """Send a request whose body has any length, or is none: that shows when it begins."""
    piece = await body.receive()
    framing = [("Transfer-Encoding", "chunked")] if piece else []
    writer.write(_head(visit, framing))
    while piece:
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        piece = await body.receive()
    if framing:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _send_pieces(writer: asyncio.StreamWriter, body: Source, length: int | None) -> None:
    left = length
    while piece := await body.receive():
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise CutError("the body is longer than it said")
        writer.write(piece)
        await writer.drain()
    if left:
        raise CutError("the body is shorter than it said")
    if length is None and writer.can_write_eof():
        writer.write_eof()


def _head(visit: VisitHead, framing: Fields) -> bytes:
    fields = protocol.without(visit.fields, "content-length", "connection", "upgrade")
    lines = [f"{visit.method} {visit.url} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in [*fields, *framing]]
    return "\r\n".join([*lines, "", ""]).encode()


def _length(fields: Fields) -> int | None:
    text = protocol.first(fields, "content-length")
    return int(text) if text is not None and _LENGTH.fullmatch(text) else None


async def _answer(connection: LocalConnection, method: str, *, is_tunnel: bool) -> LocalAnswer:
    """Read the head of the final response. Raises LocalError."""
    try:
        while True:
            head = parse_response(await connection.head())
            if head.status >= 200:
                framing, fields = _framing(head, method)
                body = _Incoming(connection, framing, goes_on=_goes_on(head))
                return LocalAnswer(AnswerHead(head.status, fields), body)
            if head.status == 101:
                return _switched(connection, head, is_tunnel=is_tunnel)
    except asyncio.IncompleteReadError:
        raise LocalError("the server closed the connection without an answer") from None
    except asyncio.LimitOverrunError:
        raise LocalError("the server's answer has a head that is too large") from None
    except (OSError, PeerError) as error:
        raise LocalError(f"the server did not answer in HTTP: {error}") from None


def _switched(connection: LocalConnection, head: ResponseHead, *, is_tunnel: bool) -> LocalAnswer:
    if not is_tunnel:
        raise LocalError("the server switched to a protocol that was not asked for")
    fields = protocol.passing_fields(protocol.to_texts(head.fields))
    body = _Incoming(connection, UntilClose(chunked=False), goes_on=False)
    return LocalAnswer(AnswerHead(101, fields), body)


def _goes_on(head: ResponseHead) -> bool:
    """Whether another request may follow on the connection (RFC 9112 section 9.3)."""
    return not (head.is_http10 or b"close" in connection_options(head.fields))


def _framing(head: ResponseHead, method: str) -> tuple[Body, Fields]:
    """How the body ends (RFC 9112 section 6.3), and the fields that pass. Raises LocalError."""
    texts = protocol.to_texts(head.fields)
    codings = [value.lower() for name, value in texts if name.lower() == "transfer-encoding"]
    fields = protocol.passing_fields(texts)
    if not protocol.has_body(method, head.status):
        return NO_BODY, fields
    if codings:
        if codings != ["chunked"]:
            raise LocalError("the server's answer has a transfer coding that was not asked for")
        return Chunked(decode=True), protocol.without(fields, "content-length")
    length = _length(fields)
    return (UntilClose(chunked=False) if length is None else Length(length)), fields


class _Incoming:
    """A source: the body of the answer, without its framing."""

    def __init__(self, connection: LocalConnection, framing: Body, *, goes_on: bool) -> None:
        self._connection = connection
        self._framing = framing
        self._goes_on = goes_on
        self._check_done()

    async def receive(self) -> bytes:
        try:
            while not self._framing.done:
                data = await self._connection.read()
                piece = self._framing.feed(data) if data else self._framing.end()
                self._check_done()
                if piece:
                    return piece
        except (BodyError, OSError) as error:
            raise CutError(f"the server's answer is not whole: {error}") from None
        return b""

    def _check_done(self) -> None:
        # What is there beyond the end is no answer to anything: nothing may follow it.
        is_whole = self._framing.done and not self._framing.rest
        self._connection.is_done = is_whole and self._goes_on
