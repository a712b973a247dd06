"""One request that the bridge forwards to the core, and its response.

The request is sent as HTTP/1.1 (RFC 9112): with its Content-Length, in chunks, or without a body if
it has ended before it is sent. A kept connection may close at any moment, so only a request that
can be retried uses one: a safe and complete request (RFC 9112 section 9.3.1).
"""

import asyncio
from typing import TYPE_CHECKING

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.bodies import Length
from httpprocessproxy.core.http.http1 import ResponseHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.frontends.core_connection import CoreConnection
from httpprocessproxy.frontends.requests import refuse
from httpprocessproxy.frontends.streams import Fields, Head, Stream, StreamReset
from httpprocessproxy.frontends.translation import CHUNKED, accepted, core_head, upgrade

if TYPE_CHECKING:
    from httpprocessproxy.frontends.bridge import Bridge


class Crossing:
    """A `RequestSink` that also receives the response from its `CoreConnection`."""

    __slots__ = (
        "_bridge",
        "_connection",
        "_has_request_ended",
        "_head",
        "_is_blocked",
        "_is_open",
        "_is_over",
        "_key",
        "_length",
        "_request",
        "_start",
        "_stream",
        "_unread_bytes",
        "_waiting",
        "has_response_ended",
    )

    def __init__(self, bridge: "Bridge", head: Head, stream: Stream) -> None:
        self.has_response_ended = False
        self._bridge = bridge
        self._head = head
        self._stream = stream
        self._connection: CoreConnection | None = None
        self._request: Request | None = None
        self._length: Length | None = None  # the rest of a body of known length
        self._key = b""  # Sec-WebSocket-Key
        self._waiting: list[bytes] = []  # data to send after the head, or after a 101
        self._unread_bytes = 0  # at most a window of the client
        self._is_open = False  # whether the body may be sent
        self._is_blocked = False  # whether the send buffer to the core is full
        self._has_request_ended = False
        self._is_over = False
        # A call of `body` or `end` in this event loop iteration shows whether there is a body.
        self._start: asyncio.Handle = bridge.loop.call_soon(self._set_out)

    @property
    def method(self) -> bytes:
        """The method in HTTP/1.1."""
        return b"GET" if self._is_tunnel else self._head.method

    @property
    def _is_tunnel(self) -> bool:
        return self._head.protocol is not None

    # RequestSink

    def body(self, data: bytes) -> None:
        self._set_out()
        if self._is_over:
            return
        self._unread_bytes += len(data)
        if self._length is not None:
            data = self._length.feed(data)
            if self._length.rest:
                self.broken()  # the core would read the excess as the next request
                return
        elif not self._is_tunnel:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._send(data)

    def end(self, trailers: Fields = ()) -> None:
        self._has_request_ended = True
        self._set_out()
        if self._is_over:
            return
        if self._length is not None and not self._length.done:
            self.broken()
            return
        if self._is_tunnel:
            self._send_end()
        elif self._length is None:
            fields = [b"%b: %b\r\n" % field for field in trailers]
            self._send(b"".join([b"0\r\n", *fields, b"\r\n"]))
        if self.has_response_ended:
            self._finish()

    def reset(self) -> None:
        self._is_over = True
        self._start.cancel()
        self._drop_connection()

    def pause(self) -> None:
        if self._connection is not None and not self.has_response_ended:
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        if self._connection is not None and not self.has_response_ended:
            self._connection.transport.resume_reading()

    # Sending to the core

    def _set_out(self) -> None:
        """Translate the request, and take or open a connection."""
        if self._request is not None or self._is_over:
            return
        self._start.cancel()
        try:
            self._request = request = self._bridge.read(self._head, self._framing())
        except RequestError as error:
            self._is_over = True
            refuse(self._stream, error)
            return
        if request.content_length is not None and not self._is_tunnel:
            self._length = Length(request.content_length)
        may_repeat = request.is_safe and self._has_request_ended and not self._is_tunnel
        kept = self._bridge.take() if may_repeat else None
        if kept is not None:
            self.connected(kept)
        else:
            self._bridge.connect(self)

    def _framing(self) -> Fields:
        if self._head.protocol is not None:
            self._key, fields = upgrade(self._head.protocol)
            return fields
        has_length = any(name == b"content-length" for name, _ in self._head.fields)
        return () if has_length or self._has_request_ended else CHUNKED

    def connected(self, connection: CoreConnection) -> None:
        """Send what is buffered; the bytes of a tunnel wait for the 101."""
        if self._is_over:
            connection.leave()
            return
        assert self._request is not None
        self._connection = connection
        if self._is_tunnel:
            connection.carry(self, core_head(self._request))
            return
        self._is_open = True
        connection.carry(self, b"".join([core_head(self._request), *self._waiting]))
        self._waiting.clear()
        self._consume()

    def failed(self) -> None:
        """Reset the stream: the connection failed, as the core is shutting down."""
        if not self._is_over:
            self._is_over = True
            self._stream.reset(StreamReset.REFUSED)

    def _send(self, data: bytes) -> None:
        if self._is_open and self._connection is not None:
            self._connection.transport.write(data)
            self._consume()
        else:
            self._waiting.append(data)

    def _send_end(self) -> None:
        """Half-close a tunnel; the other direction stays open."""
        if self._is_open and self._connection is not None:
            transport = self._connection.transport
            if not transport.is_closing():
                transport.write_eof()

    def _consume(self) -> None:
        """Open the client's window by the bytes that were passed on."""
        if self._is_open and not self._is_blocked and self._unread_bytes:
            size_bytes, self._unread_bytes = self._unread_bytes, 0
            self._stream.consumed(size_bytes)

    # Receiving from the core

    def block(self, blocked: bool) -> None:
        """Set whether the send buffer to the core is full."""
        self._is_blocked = blocked
        self._consume()

    def pass_interim(self, status: int, fields: Fields) -> None:
        self._stream.interim(status, fields)

    def begin_response(self, status: int, fields: Fields) -> None:
        self._stream.head(status, fields)

    def pass_body(self, data: bytes) -> None:
        self._stream.body(data)

    def end_response(self, trailers: Fields, *, is_last: bool) -> None:
        """End the response. The core may still read the rest of the request."""
        self.has_response_ended = True
        self._stream.end(trailers)
        if self._has_request_ended:
            self._finish()
        elif is_last and not self._is_tunnel:
            self._stream.stop_reading()
            self.reset()

    def switch_protocols(self, head: ResponseHead, early: bytes) -> None:
        """Turn the client's stream into a tunnel for the WebSocket (RFC 8441 section 5)."""
        fields = accepted(head, self._key) if self._is_tunnel else None
        if fields is None:
            self.broken()
            return
        self._is_open = True
        self._stream.head(200, fields)
        if early:
            self._stream.body(early)
        self._send(b"".join(self._waiting))
        if self._has_request_ended:
            self._send_end()

    # Errors

    def lost(self) -> None:
        """Handle a close without a response: retry if the connection was a kept one."""
        connection = self._connection
        if connection is not None and connection.was_used:
            self._drop_connection()
            self._bridge.connect(self)
        else:
            self.broken()

    def broken(self) -> None:
        """Reset the stream: the response is invalid or cannot be completed."""
        self.reset()
        self._stream.reset(StreamReset.INTERNAL)

    def closed(self) -> None:
        """End the request after a complete response; reset the stream otherwise."""
        if self.has_response_ended:
            self._stream.stop_reading()
            self.reset()
        else:
            self.broken()

    def _finish(self) -> None:
        self._is_over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
