"""The HTTP client of the local server, which visits are forwarded to (RFC 9112).

The rule: the target is sent byte for byte as received, to the address that the user configured: no
URL is joined, no redirect followed, no body decoded. The framing of a message is written by this
module. Only a request with a safe method and no body is sent on an idle connection; if the server
has closed that one, the request is sent again on a new one. No other request is sent twice.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Source
from httpprocessproxy.companions.share.worker.connections import Connections, LocalConnection
from httpprocessproxy.companions.share.worker.relay_status import reason_of
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import BodyError, PeerError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.headers import SAFE_METHODS, connection_options
from httpprocessproxy.core.http.http1 import ResponseHead, parse_response
from httpprocessproxy.system.faults import contained

# The server is on this machine: a longer wait means a full backlog, or no server at all.
_CONNECT_TIMEOUT_S: Final = 10.0

_UPGRADE: Final = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


class LocalError(Exception):
    """The server cannot be reached, or does not answer in HTTP; the text is the reason."""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """The head of a response, and its body as a source."""

    head: AnswerHead
    body: Source


class LocalClient:
    """An HTTP client for one address, with its idle connections."""

    def __init__(self, address: Address) -> None:
        self._connections = Connections(address)

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    @contextlib.asynccontextmanager
    async def exchange(
        self, tasks: asyncio.TaskGroup, visit: VisitHead, body: Source, *, is_tunnel: bool
    ) -> AsyncIterator[LocalAnswer]:
        """Send a visit, and yield the answer while the context is open. Raises LocalError.

        A task in `tasks` sends the body, which may be of any length. Raises CutError if the body is
        cut before its first piece.
        """
        async with contextlib.AsyncExitStack() as exits:
            is_bare = not is_tunnel and _is_safe(visit) and not protocol.length_of(visit.fields)
            if is_bare and (piece := await body.receive()):
                is_bare, body = False, _PrefixedSource(piece, body)
            if is_bare:
                yield await self._send_bare(exits, visit)
            else:
                yield await self._send_with_body(exits, tasks, visit, body, is_tunnel=is_tunnel)

    async def _send_bare(self, exits: contextlib.AsyncExitStack, visit: VisitHead) -> LocalAnswer:
        """Send a request without a body, on an idle connection if possible."""
        connection = self._connections.take()
        if connection is not None:
            exits.callback(self._connections.release, connection)
            try:
                return await _exchange_bare(connection, visit)
            except LocalError:
                if not connection.is_stale:
                    raise
        return await _exchange_bare(await self._connect(exits), visit)

    async def _send_with_body(
        self,
        exits: contextlib.AsyncExitStack,
        tasks: asyncio.TaskGroup,
        visit: VisitHead,
        body: Source,
        *,
        is_tunnel: bool,
    ) -> LocalAnswer:
        """Send a request that may have a body, on a new connection."""
        connection = await self._connect(exits)
        request = _send(connection.writer, visit, body, is_tunnel=is_tunnel)
        sending = tasks.create_task(request, name="request of a visit")
        exits.callback(_end_sending, connection, sending)
        return await _read_answer(connection, visit.method, is_tunnel=is_tunnel)

    async def _connect(self, exits: contextlib.AsyncExitStack) -> LocalConnection:
        """Open a new connection. Raises LocalError."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                connection = await self._connections.new()
        except (OSError, TimeoutError) as error:
            address = self._connections.address
            raise LocalError(f"{address} cannot be reached: {reason_of(error)}") from None
        exits.callback(self._connections.release, connection)
        return connection


async def _exchange_bare(connection: LocalConnection, visit: VisitHead) -> LocalAnswer:
    """Send a request without a body, and read the head of its response. Raises LocalError."""
    length = protocol.length_of(visit.fields)
    framing = [] if length is None else [("Content-Length", str(length))]
    connection.writer.write(_head(visit, framing))
    return await _read_answer(connection, visit.method, is_tunnel=False)


def _end_sending(connection: LocalConnection, sending: asyncio.Task[None]) -> None:
    if not sending.done():
        connection.is_done = False  # the server answered before it had the whole request
        sending.cancel()


def _is_safe(visit: VisitHead) -> bool:
    return visit.method.encode() in SAFE_METHODS


class _PrefixedSource:
    """A source whose first piece was received already."""

    def __init__(self, piece: bytes, rest: Source) -> None:
        self._piece = piece
        self._rest = rest

    async def receive(self) -> bytes:
        piece, self._piece = self._piece, b""
        return piece or await self._rest.receive()


async def _send(
    writer: asyncio.StreamWriter, visit: VisitHead, body: Source, *, is_tunnel: bool
) -> None:
    """Send a request; abort the connection if the body is cut or contradicts Content-Length."""
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
    """Send a request, with its framing. Raises CutError and OSError."""
    length = protocol.length_of(visit.fields)
    if is_tunnel:
        writer.write(_head(visit, _UPGRADE))
        await _send_pieces(writer, body, None)
    elif length is not None:
        writer.write(_head(visit, [("Content-Length", str(length))]))
        await _send_pieces(writer, body, length)
    else:
        await _send_unknown(writer, visit, body)


async def _send_unknown(writer: asyncio.StreamWriter, visit: VisitHead, body: Source) -> None:
    """Send a request without Content-Length: chunked, or without a body if that is empty."""
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
                raise CutError("the body is longer than its Content-Length")
        writer.write(piece)
        await writer.drain()
    if left:
        raise CutError("the body is shorter than its Content-Length")
    if length is None and writer.can_write_eof():
        writer.write_eof()


def _head(visit: VisitHead, framing: Fields) -> bytes:
    fields = protocol.without(visit.fields, "content-length", "connection", "upgrade")
    lines = [f"{visit.method} {visit.url} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in [*fields, *framing]]
    return "\r\n".join([*lines, "", ""]).encode()


async def _read_answer(connection: LocalConnection, method: str, *, is_tunnel: bool) -> LocalAnswer:
    """Read the head of the final response. Raises LocalError."""
    try:
        while True:
            head = parse_response(await connection.head())
            if head.status >= 200:
                framing, fields = _framing(head, method)
                body = _ResponseBody(connection, framing, is_persistent=_is_persistent(head))
                return LocalAnswer(AnswerHead(head.status, fields), body)
            if head.status == 101:
                return _tunnel_answer(connection, head, is_tunnel=is_tunnel)
    except asyncio.IncompleteReadError:
        raise LocalError("the server closed the connection without an answer") from None
    except asyncio.LimitOverrunError:
        raise LocalError("the server's answer has a head that is too large") from None
    except (OSError, PeerError) as error:
        raise LocalError(f"the server did not answer in HTTP: {error}") from None


def _tunnel_answer(
    connection: LocalConnection, head: ResponseHead, *, is_tunnel: bool
) -> LocalAnswer:
    if not is_tunnel:
        raise LocalError("the server switched to a protocol that was not asked for")
    fields = protocol.passing_fields(protocol.to_texts(head.fields))
    body = _ResponseBody(connection, UntilClose(chunked=False), is_persistent=False)
    return LocalAnswer(AnswerHead(101, fields), body)


def _is_persistent(head: ResponseHead) -> bool:
    """Whether the server keeps the connection open (RFC 9112 section 9.3)."""
    return not (head.is_http10 or b"close" in connection_options(head.fields))


def _framing(head: ResponseHead, method: str) -> tuple[Body, Fields]:
    """The framing of the body (RFC 9112 section 6.3), and the fields to forward.

    Raises LocalError.
    """
    texts = protocol.to_texts(head.fields)
    codings = [value.lower() for name, value in texts if name.lower() == "transfer-encoding"]
    fields = protocol.passing_fields(texts)
    if not protocol.has_body(method, head.status):
        return NO_BODY, fields
    if codings:
        if codings != ["chunked"]:
            raise LocalError("the server's answer has a transfer coding that was not asked for")
        return Chunked(decode=True), protocol.without(fields, "content-length")
    length = protocol.length_of(fields)
    return (UntilClose(chunked=False) if length is None else Length(length)), fields


class _ResponseBody:
    """The body of a response as a source, without its framing."""

    def __init__(self, connection: LocalConnection, framing: Body, *, is_persistent: bool) -> None:
        self._connection = connection
        self._framing = framing
        self._is_persistent = is_persistent
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
        # Bytes beyond the end belong to no response: the connection is not reused.
        is_whole = self._framing.done and not self._framing.rest
        self._connection.is_done = is_whole and self._is_persistent
