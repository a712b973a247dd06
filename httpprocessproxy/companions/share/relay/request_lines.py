"""The request lines of one connection, checked by the proxy's rules before aiohttp parses them.

aiohttp accepts HTTP/0.9, HTTP/2.0 and several spaces (RFC 9112 section 3 requires one). A server
behind the worker could parse such a line as another request than the relay did. No I/O.
"""

import re
from typing import Final

from httpprocessproxy.core.errors import BodyError, RequestError
from httpprocessproxy.core.http.bodies import NO_BODY, Body, Chunked, Length
from httpprocessproxy.core.http.http1 import HEAD_END, MAX_LINE_BYTES, check_request_line

# Bytes that are invalid in every version of HTTP: aiohttp answers the earlier requests, sends an
# error, and closes. Fed in one piece with those requests, the bytes would make aiohttp drop them.
POISON: Final = b"\0\r\n\r\n"

# Above the field of up to 64 KiB that carries an answer. aiohttp limits lines, not their sum.
_MAX_HEAD_BYTES: Final = 256 * 1024

_LENGTH: Final = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.I)
_CODING: Final = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.I)


class RequestLines:
    """Checks the bytes of a connection. Once `refusal` is set, feed aiohttp with POISON."""

    def __init__(self) -> None:
        self.refusal: RequestError | None = None
        self._head = b""  # the part received so far of an incomplete head
        self._is_line_checked = False
        self._body: Body = NO_BODY

    def feed(self, data: bytes) -> bytes:
        """Check received bytes, and return those that aiohttp may parse."""
        passed = 0
        while self.refusal is None and passed < len(data):
            try:
                passed += self._feed_body(data[passed:])
                passed += self._feed_head(data[passed:])
            except BodyError:
                return data  # aiohttp detects the same error, and closes the connection
            except RequestError as error:
                self.refusal = error
                return data[:passed]
        return data if self.refusal is None else b""

    def _feed_body(self, data: bytes) -> int:
        """Consume bytes of the body, and return their number."""
        if self._body.done:
            return 0
        self._body.feed(data)
        return len(data) - len(self._body.rest)

    def _feed_head(self, data: bytes) -> int:
        """Consume bytes of a head, and return their number. Raises RequestError."""
        if not self._body.done or not data:
            return 0
        known = len(self._head)
        # RFC 9112 section 2.2: empty lines before a request line are ignored.
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
        """Check the request line once it is complete or too long. Raises RequestError."""
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
