"""A visitor's connection after 101 Switching Protocols (RFC 9110 section 7.8).

Only WebSockets are tunnelled. Their bytes are forwarded in both directions without being parsed.
"""

from typing import cast

from aiohttp import web
from aiohttp.http_websocket import WebSocketReader

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.access_log import AccessRecord
from httpprocessproxy.companions.share.relay.pipe import WINDOW_BYTES, CutError, Pipe, Source
from httpprocessproxy.companions.share.relay.visit import VisitOutcome


def wants_tunnel(request: web.BaseRequest) -> bool:
    """Whether a request requests an Upgrade to WebSocket. Any other Upgrade is ignored."""
    options = request.headers.get("Connection", "").lower().split(",")
    wanted = request.headers.get("Upgrade", "").lower().split(",")
    return "upgrade" in map(str.strip, options) and "websocket" in map(str.strip, wanted)


class Tunnel:
    """The connection of one visitor. `incoming` is its source, empty until the 101."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.incoming = Pipe()
        self._request = request
        self._held_bytes = 0
        self.incoming.on_received = self._received

    async def run(
        self, head: AnswerHead, outgoing: Source, record: AccessRecord
    ) -> web.StreamResponse:
        """Send the 101, and forward bytes until either end closes."""
        response = web.StreamResponse(status=101)
        for name, value in protocol.without(head.fields, "content-length"):
            response.headers.add(name, value)
        response.headers.update({"Connection": "Upgrade", "Upgrade": "websocket"})
        response.force_close()
        record.status = 101
        await response.prepare(self._request)
        # aiohttp expects its own WebSocketReader, of which it calls only these two methods.
        self._request.protocol.set_parser(cast(WebSocketReader, self))
        await self._forward(outgoing, record)
        return response

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp with received bytes."""
        self._held_bytes += len(data)
        self.incoming.put(data)
        if self._held_bytes >= WINDOW_BYTES:
            self._request.protocol.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp at the end of the stream."""
        self.incoming.end()

    def _received(self, size_bytes: int) -> None:
        was_full = self._held_bytes >= WINDOW_BYTES
        self._held_bytes -= size_bytes
        if was_full and self._held_bytes < WINDOW_BYTES:
            self._request.protocol.resume_reading()

    async def _forward(self, outgoing: Source, record: AccessRecord) -> None:
        record.outcome = VisitOutcome.CUT
        try:
            while (piece := await outgoing.receive()) and self._request.transport is not None:
                record.sent_bytes += len(piece)
                self._request.transport.write(piece)
                await self._request.writer.drain()
        except (CutError, ConnectionError):
            pass
        else:
            record.outcome = VisitOutcome.ANSWERED
        if self._request.transport is not None:
            self._request.transport.close()
