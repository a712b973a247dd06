"""A request as it is received: passed on, and buffered for a connection that is still to come."""

from typing import Final

from httpprocessproxy.core.exchange import MAX_KEPT_BODY_BYTES, Phase
from httpprocessproxy.core.http.bodies import UntilClose
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.inspector.request_log import RequestRecord
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.interfaces import Downstream, Upstream

# The part of a body that is read while the request waits; the rest stays in the kernel.
MAX_WAITING_BYTES: Final = 64 * 1024

# Before Python 3.12, a member takes 0.1 us to look up in its class.
_WAITING = Phase.WAITING


class BufferedRequest:
    """The request of an exchange, which decides when it is sent."""

    __slots__ = (
        *("_body_bytes", "_buffer", "_context", "_destination", "_is_buffered", "_is_pending"),
        *("_sent", "_suspected", "_upstream", "body", "client", "for_backend", "gate", "over"),
        *("phase", "record", "request"),
    )

    def __init__(self, client: Downstream, context: ProxyContext, request: Request) -> None:
        destination = context.destination
        if destination is None:
            destination, request = context.router.lead(request)
        self.client = client
        self.request = request
        self.record = RequestRecord(request, client.peer.ip, client.replay_of)
        self.body = request.body()
        self.phase = _WAITING
        self.over = False
        self.for_backend = False
        self._context = context
        self._destination = destination
        self.gate = destination.gate
        self.record.service = destination.name
        self._upstream: Upstream | None = None
        self._buffer = [request.head]  # the data to send first on the next connection
        self._body_bytes = 0
        # An unsafe request is buffered as well if it may be reclaimed before a server reads it.
        self._is_buffered = request.is_safe or destination.takes_back
        self._sent = False  # a server may have read a part of it
        self._suspected: GenerationId | None = None  # the generation suspected to have died
        self._is_pending = False  # a restart waits for its response

    @property
    def is_safe(self) -> bool:
        return self.request.is_safe

    @property
    def is_navigation(self) -> bool:
        return self.request.is_document and self.request.method == b"GET"

    @property
    def wants_fence(self) -> bool:
        return self.request.wants_fence

    def take_buffer(self) -> bytes:
        """Return the data to send first, and drop it unless it may be sent again."""
        self._sent = True
        self.record.sent += 1
        data = b"".join(self._buffer)
        if not self._is_buffered:
            self._buffer.clear()
        return data

    def send_body(self, data: bytes) -> None:
        """Pass on bytes of the request's body from the client. Raises BodyError."""
        out = self.body.feed(data)
        if out:
            self._send_piece(out)

    def end_body(self, trailers: list[bytes]) -> None:
        """End the body of a request on a stream, with lines of trailers. Raises BodyError."""
        if self.body.done:
            return
        if isinstance(self.body, UntilClose):
            self.body.trailers = trailers
        out = self.body.end()
        if out:
            self._send_piece(out)

    def _send_piece(self, out: bytes) -> None:
        self._body_bytes += len(out)
        self.record.keep(out)
        if self._upstream is not None:
            self._upstream.write(out)
        if self._is_buffered and self._body_bytes > MAX_KEPT_BODY_BYTES and self._sent:
            self._is_buffered = False
            self._buffer.clear()
        if self._upstream is None or self._is_buffered:
            self._buffer.append(out)
        if self._upstream is None and self._body_bytes > MAX_WAITING_BYTES:
            self.block_request(True)
        if self.body.done:
            self.read()

    def read(self) -> None:
        """The body is complete."""

    def block_request(self, blocked: bool) -> None:
        """Apply back-pressure to the client: pause or resume reading of the request."""
        self.client.block_reading(blocked)
