"""The requests of one connection, read in turn: the hot path, so what repeats is read once.

A browser sends the same fields with each request of a page, and another target. So the outcome of
the last head is kept, and a head with the same fields, method and version costs one comparison of
bytes instead of a parse. No I/O.
"""

from httpprocessproxy.core.forwarded import Peer
from httpprocessproxy.core.headers import Request, outgoing_request
from httpprocessproxy.core.http1 import MAX_LINE_BYTES, REQUEST_LINE, parse_request


class RequestReader:
    """Turns heads into the requests to send on; `via` is our own element of Via."""

    __slots__ = ("_fields", "_last", "_peer", "_rest", "_via")

    def __init__(self, peer: Peer, via: bytes) -> None:
        self._peer = peer
        self._via = via
        self._last: Request | None = None
        self._fields = b""  # the last head behind its request line
        self._rest = b""  # and what went to the backend behind the target

    def read(self, head: bytes) -> Request:
        """Read a whole head, its empty line included. Raises RequestError."""
        line_end = head.index(b"\r\n")
        fields = head[line_end:]
        last = self._last
        if last is not None and fields == self._fields and line_end <= MAX_LINE_BYTES:
            line = REQUEST_LINE.fullmatch(head, 0, line_end)
            if (
                line is not None
                and line[1] == last.method
                and line[2].startswith(b"/")
                and last.is_http10 == (line[3] == b"0")
            ):
                return Request(
                    last.method,
                    line[2],
                    last.host,
                    last.accept,
                    last.is_http10,
                    b"%b %b%b" % (last.method, line[2], self._rest),
                    last.content_length,
                    last.keep_alive,
                    last.upgrade,
                )
        request = outgoing_request(parse_request(head), self._peer, self._via)
        self._last = request
        # An absolute-form target has a say in Host: the next one must be read again.
        self._fields = fields if head.startswith(b"/", len(request.method) + 1) else b""
        self._rest = request.head[request.head.index(b" HTTP/1.1\r\n") :]
        return request
