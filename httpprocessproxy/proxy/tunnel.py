"""A byte tunnel after 101 (RFC 9110 section 7.8), with one frame inserted by the proxy.

Bytes pass unchanged, so compression, subprotocols and close codes are up to the two ends. When the
backend is restarted, the client of a WebSocket gets Close 1012 between two frames.
"""

import asyncio

from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.http.websocket import (
    CLOSE_SERVICE_RESTART,
    WebSocketFrames,
    ends_with_answer,
)
from httpprocessproxy.inspector.request_log import CUT, RequestRecord
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.interfaces import Downstream, Upstream
from httpprocessproxy.proxy.transports import finish, linger_none

# The time for a client to respond to Close before its connection is closed.
CLOSE_TIMEOUT_S = 2.0


class TunnelEnd(asyncio.Protocol):
    """One end of a tunnel: data received here is written at `other`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.other: TunnelEnd
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass a half-close on, and keep the other direction open (RFC 9293 section 3.6)."""
        self._has_ended = True
        other = self.other
        if other._has_ended or other.transport.is_closing() or not self._can_half_close():
            return False  # both directions have ended, or TLS cannot half-close: close both ends
        finish(other.transport)
        return True

    def _can_half_close(self) -> bool:
        return self.transport.can_write_eof() and self.other.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.other.transport.close()
        else:
            # A reset is not a clean end, and the other side must not see one (code 1006).
            linger_none(self.other.transport)
            self.other.transport.abort()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()


class ClosingClient(asyncio.Protocol):
    """The protocol of a client after Close was sent: its response closes the connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # RFC 6455 section 7.1.1: a client waits for the server to close the connection.
        if ends_with_answer(data):
            self._transport.close()


class BackendEnd(TunnelEnd):
    """The end towards the backend, which tracks frame boundaries."""

    def __init__(
        self,
        context: ProxyContext,
        transport: asyncio.Transport,
        frames: WebSocketFrames | None,
        record: RequestRecord,
    ) -> None:
        super().__init__(transport)
        self._context = context
        self._frames = frames
        self._record = record
        self._has_ended = False  # the half-close was passed on: no data may follow at the client

    def eof_received(self) -> bool:
        self._has_ended = True
        return super().eof_received()

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._frames.feed(data)
        self._record.response_bytes += len(data)
        self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._remove("")
        super().connection_lost(exc)

    def end_generation(self) -> None:
        """The backend is being stopped: send Close to the client, or reset its connection."""
        self._remove(CUT)
        client = self.other.transport
        client.set_protocol(ClosingClient(client))
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
        self._context.loop.call_later(CLOSE_TIMEOUT_S, client.close)

    def _remove(self, outcome: str) -> None:
        self._context.tunnels.pop(self, None)
        self._context.log.end(self._record, outcome)


def open_tunnel(
    context: ProxyContext,
    client: Downstream,
    upstream: Upstream,
    record: RequestRecord,
    response: Response,
    fields: bytes,
    rest: bytes,
) -> None:
    """Join the two connections; pass the 101 on, and the bytes that followed on either side.

    `fields` are lines for the 101, `rest` are the bytes after it.
    """
    frames = WebSocketFrames() if response.upgrade == b"websocket" else None
    transport, early = client.begin_tunnel()
    front = TunnelEnd(transport)
    back = BackendEnd(context, upstream.hand_over(), frames, record)
    front.other, back.other = back, front
    if upstream.generation is not None:
        context.tunnels[back] = upstream.generation
        context.log.opened(record)
    front.transport.set_protocol(front)
    back.transport.set_protocol(back)
    if frames is not None:
        frames.feed(rest)
    # Before the writes, either of which may pause reading at the other end.
    front.transport.resume_reading()
    client.pass_switch(response, fields, rest)
    if early:
        back.transport.write(early)
