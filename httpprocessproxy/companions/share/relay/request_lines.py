"""The request lines of one connection, checked by the proxy's rule before aiohttp reads them.

aiohttp accepts HTTP/0.9, HTTP/2.0 and several spaces (RFC 9112 section 3 requires one), which a
server behind the worker could parse as another request than the relay did. No I/O.
"""

import re
from typing import Final

from httpprocessproxy.core.errors import BodyError, RequestError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length
from httpprocessproxy.core.http.http1 import HEAD_END, MAX_LINE_BYTES, check_request_line

# No version of HTTP begins so: aiohttp answers the requests before these bytes, sends an error, and
# closes. In one piece with those requests, it would lose them.
POISON: Final = b"\0\r\n\r\n"

# A worker's answer is in a field of 64 KiB; aiohttp bounds lines, not their sum.
_MAX_HEAD_BYTES: Final = 256 * 1024

_LENGTH: Final = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.I)
_CODING: Final = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.I)


class RequestLines:
    """Checks the bytes of a connection. Once `refusal` is set, feed aiohttp with POISON."""

    def __init__(self) -> None:
        self.refusal: RequestError | None = None
        self._head = b""  # the beginning of a head whose end has not come yet
        self._is_line_checked = False
        self._body: Body = NO_BODY

    def feed(self, data: bytes) -> bytes:
        """Take received bytes; return those that aiohttp may read."""
        passed = 0
        while self.refusal is None and passed < len(data):
            try:
                passed += self._feed_body(data[passed:])
                passed += self._feed_head(data[passed:])
            except BodyError:
                return data  # aiohttp sees it as well, and ends the connection
            except RequestError as error:
                self.refusal = error
                return data[:passed]
        return data if self.refusal is None else b""

    def _feed_body(self, data: bytes) -> int:
        """Take the rest of a body; return its size in bytes."""
        if self._body.done:
            return 0
        self._body.feed(data)
        return len(data) - len(self._body.rest)

    def _feed_head(self, data: bytes) -> int:
        """Take bytes of a head; return their number. Raises RequestError."""
        if not self._body.done or not data:
            return 0
        known = len(self._head)
        # RFC 9112 section 2.2: empty lines in front of a request are passed over.
        head = self._head + data if known else data.lstrip(b"\r\n")
        skipped = 0 if known else len(data) - len(head)
        self._check_line(head)
        end = head.find(HEAD_END, max(0, known - 3))
        if end < 0:
            if len(head) > _MAX_HEAD_BYTES:
                raise RequestError(431, f"a head of more than {_MAX_HEAD_BYTES} bytes")
            self._head = head
            return len(data)
        end += len(HEAD_END)
        self._head, self._is_line_checked = b"", False
        self._body = _body(head[:end])
        return skipped + end - known

    def _check_line(self, head: bytes) -> None:
        """Raises RequestError as soon as the line is complete and bad, or too long."""
        if self._is_line_checked or not head:
            return
        line, end, _ = head.partition(b"\n")
        if len(line) > MAX_LINE_BYTES + 1:
            raise RequestError(414, f"a request line of more than {MAX_LINE_BYTES} bytes")
        if end:
            if not line.endswith(b"\r"):
                raise RequestError(400, "a line that does not end with CRLF")
            check_request_line(line[:-1])
            self._is_line_checked = True


def _body(head: bytes) -> Body:
    """The framing of the body (RFC 9112 section 6.3); aiohttp refuses conflicting fields."""
    if _CODING.search(head):
        return Chunked(decode=True)
    length = _LENGTH.search(head)
    return Length(int(length[1])) if length is not None else NO_BODY
