"""Sends the answer of a worker as the response to its visitor.

The rule: a response that looks complete is complete. Its framing is decided here, by the bytes of
the answer (RFC 9112 section 6); an answer that ends early, or is shorter than its Content-Length,
closes the connection instead of ending the response.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.access_log import AccessRecord
from httpprocessproxy.companions.share.relay.pipe import CutError, Source
from httpprocessproxy.companions.share.relay.problems import SERVER
from httpprocessproxy.companions.share.relay.visit import VisitOutcome

# The protocol's first relay adds this type to an answer without one: its workers run PHP.
DEFAULT_TYPE: Final = "text/html; charset=utf-8"

_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


async def reply(
    request: web.BaseRequest, head: AnswerHead, body: Source, record: AccessRecord, idle_s: float
) -> web.StreamResponse:
    """Send an answer, and record its outcome.

    A visitor that accepts no byte for `idle_s` counts as gone.
    """
    has_body = protocol.has_body(request.method, head.status)
    length = head.body_bytes if has_body and head.body_bytes is not None else _length(head)
    response = _response(head, length, has_body)
    record.status = head.status
    try:
        await response.prepare(request)
        async for piece in _pieces(body, length, has_body):
            record.sent_bytes += len(piece)
            async with asyncio.timeout(idle_s):
                await response.write(piece)
        await response.write_eof()
    except CutError:
        record.outcome = VisitOutcome.CUT
        _hang_up(request)
    except (ConnectionError, TimeoutError):
        _hang_up(request)
    else:
        record.outcome = VisitOutcome.ANSWERED
    return response


def _response(head: AnswerHead, length: int | None, has_body: bool) -> web.StreamResponse:
    response = web.StreamResponse(status=head.status)
    fields = response.headers
    for name, value in protocol.without(head.fields, "content-length"):
        fields.add(name, value)
    if length is not None and head.status != 204:
        fields["Content-Length"] = str(length)
    if has_body and length != 0:
        fields.setdefault("Content-Type", DEFAULT_TYPE)
    fields.setdefault("Server", SERVER)
    return response


def _length(head: AnswerHead) -> int | None:
    """The Content-Length of the answer, if it is valid."""
    text = protocol.first(head.fields, "content-length") or ""
    return int(text) if _LENGTH.fullmatch(text) else None


async def _pieces(body: Source, length: int | None, has_body: bool) -> AsyncIterator[bytes]:
    """The body of a response; empty unless `has_body`. Raises CutError if shorter than `length`.

    Excess bytes are dropped: the visitor could parse them as another response.
    """
    left_bytes = math.inf if length is None else length
    while has_body and left_bytes:
        piece = await body.receive()
        if not piece and length is not None:
            raise CutError("the answer is shorter than its Content-Length")
        if not piece:
            return
        if len(piece) > left_bytes:
            piece = piece[: int(left_bytes)]
        left_bytes -= len(piece)
        yield piece


def _hang_up(request: web.BaseRequest) -> None:
    """Close the connection without the end of the response."""
    if request.transport is not None:
        request.transport.close()
