"""A connection to the core's private socket that reads one response at a time (RFC 9112).

It parses the framing, and passes the response to the `Crossing` of the request. Between two
requests the bridge keeps it.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from httpprocessproxy.core.errors import BodyError, ResponseError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.headers import connection_options
from httpprocessproxy.core.http.http1 import HEAD_END, MAX_HEAD_BYTES, ResponseHead, parse_response
from httpprocessproxy.frontends.streams import Fields
from httpprocessproxy.frontends.translation import response_fields

if TYPE_CHECKING:
    from httpprocessproxy.frontends.bridge import Bridge
    from httpprocessproxy.frontends.crossing import Crossing


class CoreConnection(asyncio.Protocol):
    """One connection. After its first response (`was_used`) the core may close it at any time."""

    def __init__(self, bridge: "Bridge") -> None:
        self.was_used = False
        self.idle_since = 0.0
        self.transport: asyncio.Transport
        self._bridge = bridge
        self._crossing: Crossing | None = None
        self._head = b""  # an incomplete response head
        self._body: Body | None = None  # of the response whose head has been read
        self._is_tunnel = False
        self._is_last = False  # the connection carries no further response

    # Called by a crossing

    def carry(self, crossing: "Crossing", data: bytes) -> None:
        """Send a request; its response goes to `crossing`."""
        self._crossing = crossing
        self.transport.write(data)

    def leave(self) -> None:
        """Return the connection to the bridge, or close it after the last response."""
        self._crossing = None
        if self._is_last or self.transport.is_closing():
            self.transport.close()
        else:
            # Undo a pause for a slow client.
            self.transport.resume_reading()
            self._bridge.keep(self)

    def abort(self) -> None:
        """Abort the connection, so that the core stops the request at once."""
        self._crossing = None
        self.transport.abort()

    def end(self) -> None:
        """Abort the connection and its request: the bridge ends."""
        crossing = self._crossing
        self.abort()
        if crossing is not None:
            crossing.closed()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bridge.forget(self)
        self._ended()
        if self._crossing is not None:
            self._crossing.closed()

    def eof_received(self) -> bool:
        """Process a half-close; a tunnel's other direction stays open (RFC 9293 section 3.6)."""
        self._ended()
        return self._is_tunnel

    def pause_writing(self) -> None:
        if self._crossing is not None:
            self._crossing.block(True)

    def resume_writing(self) -> None:
        if self._crossing is not None:
            self._crossing.block(False)

    def data_received(self, data: bytes) -> None:
        crossing = self._crossing
        if crossing is None or crossing.has_response_ended:
            self._is_last = True
            self.transport.abort()  # a response without a request
        elif self._is_tunnel:
            crossing.pass_body(data)
        elif self._body is not None:
            self._pass(crossing, self._body, data)
        else:
            self._receive_head(crossing, self._head + data if self._head else data)

    # Responses

    def _receive_head(self, crossing: "Crossing", data: bytes) -> None:
        try:
            while (end := data.find(HEAD_END)) >= 0:
                end += len(HEAD_END)
                head, data = parse_response(data[:end]), data[end:]
                if head.status >= 200 or head.status == 101:
                    self._begin(crossing, head, data)
                    return
                crossing.pass_interim(head.status, response_fields(head))
            if len(data) > MAX_HEAD_BYTES:
                raise ResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")
        except ResponseError:
            crossing.broken()
        else:
            self._head = data

    def _begin(self, crossing: "Crossing", head: ResponseHead, data: bytes) -> None:
        self._head = b""
        self.was_used = True
        if head.status == 101:
            self._is_tunnel = self._is_last = True
            crossing.switch_protocols(head, data)
            return
        self._is_last = b"close" in connection_options(head.fields)
        self._body = body = _body(head, crossing.method)
        crossing.begin_response(head.status, response_fields(head))
        self._pass(crossing, body, data)

    def _pass(self, crossing: "Crossing", body: Body, data: bytes) -> None:
        try:
            piece = body.feed(data) if not body.done else b""
        except BodyError:
            crossing.broken()
            return
        if piece:
            crossing.pass_body(piece)
        if body.done:
            self._body = None
            crossing.end_response(_trailers(body), is_last=self._is_last)

    def _ended(self) -> None:
        """Process the end of the core's data: it ends the body or is premature."""
        self._is_last = True
        crossing, body = self._crossing, self._body
        if crossing is None or crossing.has_response_ended:
            return
        if body is None and not self._is_tunnel:
            crossing.lost()
            return
        try:
            if body is not None:
                body.end()
        except BodyError:
            crossing.broken()
        else:
            crossing.end_response((), is_last=True)


def _body(head: ResponseHead, method: bytes) -> Body:
    """Select the framing of a response's body (RFC 9112 section 6.3); chunks are decoded."""
    if method == b"HEAD" or head.status in (204, 304):
        return NO_BODY
    if _values(head, b"transfer-encoding"):
        return Chunked(decode=True)
    lengths = _values(head, b"content-length")
    return Length(int(lengths.pop())) if lengths else UntilClose(chunked=False)


def _values(head: ResponseHead, wanted: bytes) -> set[bytes]:
    return {value.lower() for name, value in head.fields if name.lower() == wanted}


def _trailers(body: Body) -> Fields:
    if not isinstance(body, Chunked):
        return ()
    fields = (line.partition(b":") for line in body.trailers if line)
    return [(name.lower(), value.strip()) for name, _, value in fields]
