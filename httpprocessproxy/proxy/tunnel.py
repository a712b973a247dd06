"""After 101: a byte tunnel (RFC 9110 section 7.8), with one word of our own.

Bytes pass untouched, so compression, subprotocols and close codes are the two ends' affair. When
the backend is being restarted, a WebSocket gets Close 1012 between two frames.
"""

import asyncio
from typing import TYPE_CHECKING

from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.http.websocket import (
    CLOSE_SERVICE_RESTART,
    WebSocketFrames,
    ends_with_answer,
)
from httpprocessproxy.inspector.request_log import CUT, RequestRecord
from httpprocessproxy.proxy.transports import finish, linger_none

if TYPE_CHECKING:
    from httpprocessproxy.proxy.exchange import Exchange
    from httpprocessproxy.proxy.server import ProxyServer
    from httpprocessproxy.proxy.upstream_connection import UpstreamConnection

# How long a client may take to answer our Close before its connection is closed under it.
CLOSE_TIMEOUT_S = 2.0


class TunnelEnd(asyncio.Protocol):
    """One end of a tunnel: what comes in here goes out at `other`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.other: TunnelEnd
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass a half-close on, and keep the other direction (RFC 9293 section 3.6)."""
        self._has_ended = True
        other = self.other
        if other._has_ended or other.transport.is_closing() or not self._can_half_close():
            return False  # nobody has more to say, or TLS could not tell: close both
        finish(other.transport)
        return True

    def _can_half_close(self) -> bool:
        return self.transport.can_write_eof() and self.other.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.other.transport.close()
        else:
            # A reset is not a goodbye: the other side must not see a clean end (1006).
            linger_none(self.other.transport)
            self.other.transport.abort()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()


class LastWords(asyncio.Protocol):
    """A client that has been told Close: it is heard out, and its answer is the end."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # RFC 6455 section 7.1.1: a client waits for the server to close the connection.
        if ends_with_answer(data):
            self._transport.close()


class BackendEnd(TunnelEnd):
    """The end towards the backend, which knows where frames end."""

    def __init__(
        self,
        proxy_server: "ProxyServer",
        transport: asyncio.Transport,
        frames: WebSocketFrames | None,
        record: RequestRecord,
    ) -> None:
        super().__init__(transport)
        self._proxy_server = proxy_server
        self._frames = frames
        self._record = record
        self._has_ended = False  # and said so: nothing may follow at the client

    def eof_received(self) -> bool:
        self._has_ended = True
        return super().eof_received()

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._frames.feed(data)
        self._record.response_bytes += len(data)
        self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave("")
        super().connection_lost(exc)

    def end_generation(self) -> None:
        """The backend is being stopped: say so, and let the client's last words end here."""
        self._leave(CUT)
        client = self.other.transport
        client.set_protocol(LastWords(client))
        self.transport.set_protocol(asyncio.Protocol())
        self.transport.abort()
        if self._has_ended:
            client.close()
            return
        if self._frames is None or not self._frames.at_boundary:
            linger_none(client)
            client.abort()
            return
        if not self._frames.closing:
            client.write(CLOSE_SERVICE_RESTART)
        client.resume_reading()
        self._proxy_server.loop.call_later(CLOSE_TIMEOUT_S, client.close)

    def _leave(self, outcome: str) -> None:
        self._proxy_server.tunnels.pop(self, None)
        self._proxy_server.log.end(self._record, outcome)


def open_tunnel(
    proxy_server: "ProxyServer",
    exchange: "Exchange",
    upstream: "UpstreamConnection",
    response: Response,
    rest: bytes,
) -> None:
    """Join the two connections, beginning with the 101 and what came behind it from either side."""
    frames = WebSocketFrames() if response.upgrade == b"websocket" else None
    client = exchange.client
    front = TunnelEnd(client.transport)
    back = BackendEnd(proxy_server, upstream.transport, frames, exchange.record)
    front.other, back.other = back, front
    early = client.give_up_transport()
    proxy_server.upstreams.discard(upstream)
    if upstream.generation is not None:
        proxy_server.tunnels[back] = upstream.generation
        proxy_server.log.opened(exchange.record)
    front.transport.set_protocol(front)
    back.transport.set_protocol(back)
    if frames is not None:
        frames.feed(rest)
    # Before the writes: either may stop the reading at the other end.
    front.transport.resume_reading()
    fields = upstream.fields + client.fields if exchange.request.is_trusted else client.fields
    front.transport.write(b"".join((response.head, fields, b"\r\n", rest)))
    if early:
        back.transport.write(early)
