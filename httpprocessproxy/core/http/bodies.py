"""Message bodies as a stream: framing is checked and rewritten (RFC 9112 sections 6 and 7).

Each class takes the bytes of one body as they arrive and returns the bytes to send on, without
buffering content. `done` is set at the end of the body, `rest` holds the bytes after it. No I/O.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from httpprocessproxy.core.errors import BodyError
from httpprocessproxy.core.http.http1 import QUOTED, TOKEN

# Trailers and chunk lines are buffered until complete; both are small in every honest message.
MAX_TRAILER_BYTES: Final = 16 * 1024
MAX_CHUNK_LINE_BYTES: Final = 4 * 1024

# RFC 9112 section 7.1: chunk-size [ chunk-ext ] CRLF. 16 hexadecimal digits are 2^64 - 1 bytes.
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*" % (TOKEN, TOKEN, QUOTED)
)
_TRAILER = re.compile(rb"(%b):([\t -~\x80-\xff]*)" % TOKEN)

# RFC 9110 section 6.5.1: a field that frames, routes or authenticates a message must not be a
# trailer: a recipient that merges trailers into the head would be misled.
_NEVER_A_TRAILER = frozenset(
    (
        b"authorization connection content-encoding content-length content-range content-type"
        b" cookie expect forwarded host keep-alive max-forwards proxy-authorization"
        b" proxy-connection range set-cookie te trailer transfer-encoding upgrade via"
        b" x-forwarded-for x-forwarded-host x-forwarded-proto"
    ).split()
)


class Body(Protocol):
    """The body of one message, passed on piece by piece."""

    done: bool
    rest: bytes

    @property
    def trailers(self) -> Sequence[bytes]:
        """The lines of the trailer fields, when it is done; those dropped are empty."""

    def feed(self, data: bytes) -> bytes:
        """Take received bytes, return the bytes to send on. Raises BodyError for broken framing."""

    def end(self) -> bytes:
        """The sender closed: return the last bytes to send on. Raises BodyError if it is cut."""


class Length:
    """A body of `Content-Length` bytes; 0 for a message without a body."""

    __slots__ = ("done", "remaining", "rest")

    trailers: Sequence[bytes] = ()

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return data
        self.done = True
        if size > self.remaining:
            self.rest = data[self.remaining :]
            data = data[: self.remaining]
        self.remaining = 0
        return data

    def end(self) -> bytes:
        if not self.done:
            raise BodyError(f"{self.remaining} bytes of the body are missing")
        return b""


# Shared by all messages without a body: it takes no bytes, and so never changes.
NO_BODY: Final = Length(0)


class UntilClose:
    """A body delimited by the end of its connection (RFC 9112 section 6.3, rule 8), or stream.

    It is sent on in chunks, so that the recipient's connection survives and the recipient detects
    a cut body. A client gets it unchanged over HTTP/1.0, and on a stream. `trailers` are sent after
    the last chunk.
    """

    __slots__ = ("_chunked", "done", "rest", "trailers")

    def __init__(self, *, chunked: bool) -> None:
        self._chunked = chunked
        self.done = False
        self.rest = b""
        self.trailers: Sequence[bytes] = ()

    def feed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def end(self) -> bytes:
        self.done = True
        return b"".join((b"0\r\n", *self.trailers, b"\r\n")) if self._chunked else b""


class Chunked:
    """A chunked body (RFC 9112 section 7.1), checked, and passed on without chunk extensions.

    `decode` sends on the content alone, for a client of HTTP/1.0 or on a stream. httptools is not
    used here: it does not report where a message ended, and the next one may follow in the same
    bytes.
    """

    __slots__ = (
        "_decode",
        "_line",
        "_missing",
        "_section_bytes",
        "_step",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self, *, decode: bool = False) -> None:
        self._decode = decode
        self._line = b""  # the beginning of an incomplete line
        self._missing = 0  # bytes of the current chunk still to come
        # Trailers are held until the empty line: a last chunk sent earlier could be read as the
        # end of the body.
        self.trailers: list[bytes] = []
        self._section_bytes = 0
        self._step = self._size
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        if self._line:
            data, self._line = self._line + data, b""
        out: list[bytes] = []
        at = 0
        while not self.done and at < len(data):
            next_at = self._step(data, at, out)
            if next_at < 0:
                self._line = data[at:]
                break
            at = next_at
        if self.done:
            self.rest = data[at:]
        return b"".join(out)

    def end(self) -> bytes:
        if not self.done:
            raise BodyError("a chunked body without its last chunk")
        return b""

    # Each step takes the bytes from `at` on and returns the offset of the next step, or -1 for an
    # incomplete line.

    def _size(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = _line_end(data, at, MAX_CHUNK_LINE_BYTES)
        if end < 0:
            return -1
        line = _CHUNK_LINE.fullmatch(data, at, end)
        if line is None:
            raise BodyError("a chunk that does not begin with its size and well-formed extensions")
        self._missing = int(line[1], 16)
        if self._missing == 0:
            self._step = self._trailers
        else:
            self._step = self._content
            if not self._decode:
                out.append(line[1] + b"\r\n")
        return end + 2

    def _content(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = min(len(data), at + self._missing)
        out.append(data[at:end])
        self._missing -= end - at
        if self._missing == 0:
            self._step = self._chunk_end
        return end

    def _chunk_end(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = data[at : at + 2]
        if end != b"\r\n"[: len(end)]:
            raise BodyError("a chunk that is longer than its size")
        if len(end) < 2:
            return -1
        self._step = self._size
        if not self._decode:
            out.append(b"\r\n")
        return at + 2

    def _trailers(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = _line_end(data, at, MAX_TRAILER_BYTES - self._section_bytes)
        if end < 0:
            return -1
        if end > at:
            self.trailers.append(_trailer(data[at:end]))
            self._section_bytes += end + 2 - at
        else:
            self.done = True
            if not self._decode:
                out += (b"0\r\n", *self.trailers, b"\r\n")
        return end + 2


def _line_end(data: bytes, at: int, limit: int) -> int:
    """Return the offset of the CRLF that ends the line at `at`, or -1. A bare LF is an error."""
    end = data.find(b"\n", at)
    if end > at and data[end - 1] == 0x0D:
        if end - at > limit:
            raise BodyError("a chunk or trailer line that is too long")
        return end - 1
    if end >= 0:
        raise BodyError("a line that does not end with CRLF")
    if len(data) - at > limit:
        raise BodyError("a chunk or trailer line that is too long")
    return -1


def _trailer(line: bytes) -> bytes:
    """Return the trailer field to send on, or b"" for one that must not be a trailer."""
    field = _TRAILER.fullmatch(line)
    if field is None:
        raise BodyError("a trailer that is not a field")
    if field[1].lower().replace(b"_", b"-") in _NEVER_A_TRAILER:
        return b""
    return b"%b: %b\r\n" % (field[1], field[2].strip(b" \t"))
