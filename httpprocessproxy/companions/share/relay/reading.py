"""Reads a visitor's request: the head of a visit, and its body piece by piece.

The rule: forwarding fields are the relay's own (RFC 7239), unless the peer is a trusted proxy; the
target is forwarded as received, byte for byte.
"""

import asyncio
import secrets
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import MAX_URL_BYTES, Fields, VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError
from httpprocessproxy.companions.share.relay.problems import VisitRefusedError
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.core.http.forwarded import (
    FORWARDED,
    Peer,
    forwarded_fields,
    trusted_forwarded,
)
from httpprocessproxy.core.http.http1 import Fields as RawFields
from httpprocessproxy.core.page.pages import Problem

# 192 random bits: a worker that guesses an id could answer a visit of another worker.
_RID_BYTES = 24


def target_of(request: web.BaseRequest) -> str:
    """The target in origin form; an absolute form loses its authority (RFC 9112 section 3.2.2)."""
    target = request.raw_path
    if target.startswith("/"):
        return target
    _, _, rest = target.partition("://")
    at = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    return rest[at:] if rest[at : at + 1] == "/" else "/" + rest[at:]


def host_of(request: web.BaseRequest) -> bytes:
    """The authority of an absolute-form target, or else the Host of a request."""
    scheme, separator, rest = request.raw_path.partition("://")
    if separator and not scheme.startswith("/"):
        return rest.replace("?", "/").partition("/")[0].encode("utf-8", "surrogateescape")
    return request.headers.get("Host", "").encode("utf-8", "surrogateescape")


def read_head(request: web.BaseRequest, settings: RelaySettings) -> VisitHead:
    """The head of a visit. Raises VisitRefusedError if it is malformed or too large."""
    if request.method == "CONNECT":
        raise _refused(405, "This server is not a forward proxy.")
    url = target_of(request)
    if len(url) > MAX_URL_BYTES:
        raise _refused(414, f"The address is longer than {MAX_URL_BYTES} bytes.")
    if not protocol.is_path(url) or request.raw_path == "*":
        raise _refused(400, "The request target is not a path.")
    peer_ip = request.remote or ""
    peer = Peer(peer_ip or None, settings.trusts(peer_ip))
    raw = trusted_forwarded(list(request.raw_headers), peer)
    fields = _passing(raw, peer, host_of(request))
    if len(protocol.encode_fields(fields, ())) > settings.max_header_bytes:
        raise _refused(431, "The header fields of your request, such as cookies, are too large.")
    rid = secrets.token_urlsafe(_RID_BYTES)
    return VisitHead(rid, request.method, url, _visitor_ip(raw, peer_ip, settings), fields)


def _passing(raw: RawFields, peer: Peer, host: bytes) -> Fields:
    """The fields for the worker, with forwarding fields of the relay."""
    inherited = [field for field in raw if field[0].lower() in FORWARDED]
    others = [field for field in raw if field[0].lower() not in FORWARDED]
    raw_fields = others + forwarded_fields(inherited, peer, host)
    fields = protocol.passing_fields(protocol.to_texts(raw_fields))
    # The relay itself sends 100 Continue.
    return protocol.without(fields, "expect")


def _visitor_ip(raw: RawFields, peer_ip: str, settings: RelaySettings) -> str:
    """The last address of the forwarding chain that is not a trusted proxy, or "".

    Each trusted proxy appends its peer's address to X-Forwarded-For.
    """
    values = [value for name, value in raw if name.lower() == b"x-forwarded-for"]
    chain = [part.strip() for value in values for part in protocol.to_text(value).split(",")]
    for ip in [peer_ip, *reversed(chain)]:
        if not settings.trusts(ip):
            return protocol.read_ip(ip)
    return protocol.read_ip(chain[0] if chain else peer_ip)


def _refused(status: int, detail: str) -> VisitRefusedError:
    return VisitRefusedError(Problem(status, HTTPStatus(status).phrase, detail))


class RequestBody:
    """The body of a request as a source."""

    def __init__(self, request: web.BaseRequest, idle_s: float) -> None:
        """The body is cut after `idle_s` without a byte."""
        self._request = request
        self._idle_s = idle_s
        self._expects_continue = request.headers.get("Expect", "").lower() == "100-continue"

    async def receive(self) -> bytes:
        if self._expects_continue:
            await self._send_continue()
        try:
            async with asyncio.timeout(self._idle_s):
                return await self._request.content.readany()
        except TimeoutError:
            raise CutError("no more data arrived in time") from None
        except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
            raise CutError(f"malformed or truncated: {error}") from None

    async def _send_continue(self) -> None:
        """Send 100 Continue (RFC 9110 section 10.1.1)."""
        self._expects_continue = False
        writer = self._request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp counts the bytes of the response; an interim response is not part of it.
        writer.output_size = 0
