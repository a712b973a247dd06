"""The client of the server whose visits these are: one connection a visit (RFC 9112).

The rule: the target is written byte for byte as it came, behind the address that the user gave: no
URL is joined, no redirect followed, no body decoded. What frames a message is ours to write.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.errors import BodyError, PeerError
from httpprocessproxy.core.http1 import HEAD_END, MAX_HEAD_BYTES, ResponseHead, parse_response
from httpprocessproxy.share import protocol
from httpprocessproxy.share.protocol import AnswerHead, Fields, VisitHead
from httpprocessproxy.share.relay.pipe import PIECE_BYTES, CutError, Source
from httpprocessproxy.share.worker.reasons import reason_of

# A server on this machine; above it a listen backlog is full, or nobody is there.
_CONNECT_TIMEOUT_S: Final = 10.0

_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)

_UPGRADE: Final = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


class LocalError(Exception):
    """The server cannot be reached, or does not answer in HTTP; the text says how."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its head, and its body as it comes."""

    head: AnswerHead
    body: Source


# An address, or the private socket of the core.
Target = Address | Path


@contextlib.asynccontextmanager
async def exchange(
    tasks: asyncio.TaskGroup, target: Target, visit: VisitHead, body: Source, *, is_tunnel: bool
) -> AsyncIterator[Answer]:
    """Send a visit, and give the answer while the context is open. Raises LocalError.

    The body is sent by one of `tasks`, and so may be as long as it likes.
    """
    reader, writer = await _connect(target)
    request = _send(writer, visit, body, is_tunnel=is_tunnel)
    sending = tasks.create_task(request, name="request of a visit")
    try:
        yield await _answer(reader, visit.method, is_tunnel=is_tunnel)
    finally:
        sending.cancel()
        writer.transport.abort()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            if isinstance(target, Path):
                return await asyncio.open_unix_connection(str(target), limit=MAX_HEAD_BYTES)
            return await _connect_to_any(target)
    except (OSError, TimeoutError) as error:
        name = "the proxy" if isinstance(target, Path) else str(target)
        raise LocalError(f"{name} cannot be reached: {reason_of(error)}") from None


async def _connect_to_any(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of its hosts that answers. Raises OSError."""
    *others, last = address.hosts
    for host in others:
        with contextlib.suppress(OSError):
            return await asyncio.open_connection(host, address.port, limit=MAX_HEAD_BYTES)
    return await asyncio.open_connection(last, address.port, limit=MAX_HEAD_BYTES)


async def _send(
    writer: asyncio.StreamWriter, visit: VisitHead, body: Source, *, is_tunnel: bool
) -> None:
    """Send a request; a body that is cut, or not as long as it said, breaks the connection."""
    length = _length(visit.fields)
    try:
        if is_tunnel:
            writer.write(_head(visit, _UPGRADE))
            await _send_pieces(writer, body, None)
        elif length is not None:
            writer.write(_head(visit, [("Content-Length", str(length)), _CLOSE]))
            await _send_pieces(writer, body, length)
        else:
            await _send_unknown(writer, visit, body)
    except (CutError, ConnectionError):
        writer.transport.abort()


_CLOSE: Final = ("Connection", "close")


async def _send_unknown(writer: asyncio.StreamWriter, visit: VisitHead, body: Source) -> None:
    """Send a request whose body has any length, or is none: that shows when it begins."""
    piece = await body.receive()
    framing = [("Transfer-Encoding", "chunked")] if piece else []
    writer.write(_head(visit, [*framing, _CLOSE]))
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


async def _answer(reader: asyncio.StreamReader, method: str, *, is_tunnel: bool) -> Answer:
    """Read the head of the final response. Raises LocalError."""
    try:
        while True:
            head = parse_response(await reader.readuntil(HEAD_END))
            if head.status >= 200:
                framing, fields = _framing(head, method)
                return Answer(AnswerHead(head.status, fields), _Incoming(reader, framing))
            if head.status == 101:
                return _switched(reader, head, is_tunnel=is_tunnel)
    except asyncio.IncompleteReadError:
        raise LocalError("the server closed the connection without an answer") from None
    except asyncio.LimitOverrunError:
        raise LocalError("the server's answer has a head that is too large") from None
    except (ConnectionError, PeerError) as error:
        raise LocalError(f"the server did not answer in HTTP: {error}") from None


def _switched(reader: asyncio.StreamReader, head: ResponseHead, *, is_tunnel: bool) -> Answer:
    if not is_tunnel:
        raise LocalError("the server switched to a protocol that was not asked for")
    fields = protocol.passing_fields(protocol.to_texts(head.fields))
    return Answer(AnswerHead(101, fields), _Incoming(reader, UntilClose(chunked=False)))


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

    def __init__(self, reader: asyncio.StreamReader, framing: Body) -> None:
        self._reader = reader
        self._framing = framing

    async def receive(self) -> bytes:
        try:
            while not self._framing.done:
                data = await self._reader.read(PIECE_BYTES)
                piece = self._framing.feed(data) if data else self._framing.end()
                if piece:
                    return piece
        except (BodyError, ConnectionError) as error:
            raise CutError(f"the server's answer is not whole: {error}") from None
        return b""
