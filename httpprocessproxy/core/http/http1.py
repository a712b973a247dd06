"""HTTP/1.1 heads: parsing and limits (RFC 9112).

httptools (llhttp in strict mode) parses every head. It gets heads only: the framing of a body
follows from the head, so that bodies pass without a copy (`bodies.py`). No I/O.

Fields are `list[tuple[bytes, bytes]]`: names as received, order kept, values without the white
space around them.
"""

import re
from dataclasses import dataclass
from typing import Final

import httptools

from httpprocessproxy.core.errors import RequestError, ResponseError

Fields = list[tuple[bytes, bytes]]

# 64 KiB for a head and 16 KiB for its first line: twice what Node allows, so that a backend's own
# limit answers first; 200 fields are far above any browser's.
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_LINE_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 200

HEAD_END: Final = b"\r\n\r\n"

# RFC 9110 section 5.6, as parts of regular expressions.
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'

# RFC 9112 section 3: one SP on each side of the target. llhttp accepts more, and a backend may
# read another target in such a line.
_REQUEST_LINE: Final = re.compile(rb"(%b) ([!-~\x80-\xff]+) HTTP/1\.([01])" % TOKEN)

# Methods that llhttp treats specially, or that are in nearly every request.
_LLHTTP_METHODS: Final = frozenset(b"CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT".split())
_TO_ASCII: Final = bytes(byte if byte < 0x80 else ord("x") for byte in range(256))

# RFC 9112 section 4. llhttp accepts control characters in the reason, and a code of 099.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?\r\n")
_ALT_SVC = re.compile(rb"\r\nalt-svc[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.IGNORECASE)
_VERSION = re.compile(rb"HTTP/([0-9]\.[0-9])\Z")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request that llhttp accepts. `target` is as received (RFC 9112 section 3.2)."""

    method: bytes
    target: bytes
    is_http10: bool
    fields: Fields


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response that llhttp accepts; `reason` may be empty."""

    status: int
    reason: bytes
    is_http10: bool
    fields: Fields


class _Collector:
    """The callback object of httptools: collects the fields of a head."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: Fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp strips white space in front of a value, and RFC 9112 section 5.1 on both sides.
        self.fields.append((name, value.rstrip(b" \t")))


def check_incomplete(data: bytes) -> None:
    """Raise RequestError for the beginning of a request that can no longer become a valid one."""
    # RFC 9112 section 2.2: a bare CR or LF must not end a line. llhttp refuses it as well, but
    # only in a complete head, and a head written with bare LFs is never complete.
    if not data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r", 0, -1):
        raise RequestError(400, "a line that does not end with CRLF")
    if len(data) > MAX_LINE_BYTES + 1 and data.find(b"\r\n", 0, MAX_LINE_BYTES + 2) < 0:
        raise RequestError(414, f"a request line of more than {MAX_LINE_BYTES} bytes")
    if len(data) > MAX_HEAD_BYTES:
        raise RequestError(431, f"a head of more than {MAX_HEAD_BYTES} bytes")


def check_incomplete_response(data: bytes) -> None:
    """Raise ResponseError for the beginning of a response that cannot become a valid one.

    A head written with bare LFs is never complete (RFC 9112 section 2.2).
    """
    if data.count(b"\n") != data.count(b"\r\n"):
        raise ResponseError("a line that does not end with CRLF")
    if len(data) > MAX_HEAD_BYTES:
        raise ResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")


def connection_option(*, keep_alive: bool, is_http10: bool) -> bytes:
    """Return the Connection line for a response, which may be b"" (RFC 9112 section 9.3).

    An HTTP/1.0 client needs keep-alive to be confirmed, an HTTP/1.1 client does not.
    """
    if not keep_alive:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if is_http10 else b""


def parse_request(head: bytes) -> RequestHead:
    """Parse a complete head, including the empty line at its end.

    Raises RequestError with the status of the response: 400, 414, 431 or 505.
    """
    line_end = head.index(b"\r\n")
    if line_end > MAX_LINE_BYTES:
        raise RequestError(414, f"a request line of more than {MAX_LINE_BYTES} bytes")
    if len(head) > MAX_HEAD_BYTES:
        raise RequestError(431, f"a head of more than {MAX_HEAD_BYTES} bytes")
    line = _REQUEST_LINE.fullmatch(head, 0, line_end)
    if line is None:
        raise _bad_request_line(head[:line_end])
    collector = _Collector()
    try:
        httptools.HttpRequestParser(collector).feed_data(_for_llhttp(head, line))
    except httptools.HttpParserUpgrade:
        pass  # llhttp ends a head with Upgrade or CONNECT so; the proxy itself decides about it
    except httptools.HttpParserError as error:
        raise RequestError(400, str(error)) from error
    if len(collector.fields) > MAX_FIELDS:
        raise RequestError(431, f"more than {MAX_FIELDS} header fields")
    return RequestHead(line[1], line[2], line[3] == b"0", collector.fields)


def check_request_line(line: bytes) -> None:
    """Check a line, without its CRLF, by the rule of `parse_request`. Raises RequestError."""
    if _REQUEST_LINE.fullmatch(line) is None:
        raise _bad_request_line(line)


def _for_llhttp(head: bytes, line: re.Match[bytes]) -> bytes:
    """Return the head with a request line that llhttp accepts; the line itself is checked already.

    RFC 9110 section 9.1: a method is any token that the server knows, while llhttp has a list.
    Browsers and curl send bytes above 0x7F in a target, and servers accept them.
    """
    method, target = line[1], line[2]
    if method == b"PRI":  # RFC 9113 section 11.6 reserves it
        raise RequestError(400, "the preface of HTTP/2")
    if method in _LLHTTP_METHODS and target.isascii():
        return head
    known = method if method in _LLHTTP_METHODS else b"POST"
    return b"%b %b%b" % (known, target.translate(_TO_ASCII), head[line.end(2) :])


def _bad_request_line(line: bytes) -> RequestError:
    version = _VERSION.search(line)
    if version is not None and version[1] not in (b"1.0", b"1.1"):
        return RequestError(505, "a version of HTTP other than 1.0 and 1.1")
    return RequestError(400, "a request line that is not METHOD SP TARGET SP VERSION")


def without_alt_svc(head: bytes) -> bytes:
    """Return a complete head without its Alt-Svc fields (RFC 7838), folded lines included."""
    return _ALT_SVC.sub(b"", head) if b"alt-svc" in head.lower() else head


def parse_response(head: bytes) -> ResponseHead:
    """Parse a complete head, including the empty line at its end. Raises ResponseError."""
    if len(head) > MAX_HEAD_BYTES:
        raise ResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")
    line = _STATUS_LINE.match(head)
    if line is None:
        raise ResponseError("a status line that is not HTTP/1.0 or HTTP/1.1")
    collector = _Collector()
    try:
        httptools.HttpResponseParser(collector).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise ResponseError(str(error)) from error
    return ResponseHead(int(line[2]), line[3] or b"", line[1] == b"0", collector.fields)
