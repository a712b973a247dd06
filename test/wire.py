"""One HTTP/1.1 connection at the level of bytes: it sends exactly the bytes of the test.

The reader is strict: it accepts only messages that RFC 9112 allows, and distinguishes a complete
message from one that was cut (`TruncatedError`).
"""

import contextlib
import re
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from test.deadline import MS, PATIENCE_S

Headers = list[tuple[bytes, bytes]]

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [^\r\n\0]*")
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ \r\n]+) (HTTP/1\.[01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


class TruncatedError(Exception):
    """The connection ended, or was reset, inside a message; holds the bytes received of it."""


@dataclass
class Message:
    first: bytes
    headers: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: bytes) -> bytes | None:
        values = self.all(name)
        assert len(values) < 2, f"{name!r} came {len(values)} times"
        return values[0] if values else None

    @property
    def status(self) -> int:
        match = _STATUS.fullmatch(self.first)
        assert match, f"not a status line: {self.first!r}"
        return int(match[1])

    @property
    def method(self) -> bytes:
        return self._request()[1]

    @property
    def target(self) -> bytes:
        return self._request()[2]

    def _request(self) -> re.Match[bytes]:
        match = _REQUEST.fullmatch(self.first)
        assert match, f"not a request line: {self.first!r}"
        return match


def _fields(lines: list[bytes]) -> Headers:
    matches = [_FIELD.fullmatch(line) for line in lines]
    assert all(matches), f"not all are fields: {lines!r}"
    return [(match[1], match[2]) for match in matches if match]


class Wire:
    """A connection. Every read raises TimeoutError after PATIENCE_S."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE_S)
        self.unread = b""

    @classmethod
    def connect(cls, port: int, host: str = "127.0.0.1") -> Self:
        return cls(socket.create_connection((host, port), PATIENCE_S))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> None:
        for piece in data:
            self.socket.sendall(piece)

    def fill(self, limit_bytes: int) -> int:
        """Send until the peer accepts no more for 500 ms; return the number of bytes sent."""
        self.socket.settimeout(500 * MS)
        sent = 0
        try:
            while sent < limit_bytes:
                sent += self.socket.send(b"x" * 65536)
        except TimeoutError:
            pass
        self.socket.settimeout(PATIENCE_S)
        return sent

    def finish(self) -> None:
        """Half-close: send no more, and go on reading."""
        with contextlib.suppress(OSError):  # the peer has closed before
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection with RST, as a killed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def more(self) -> bool:
        """Wait for bytes; False at the end of the connection, however it ends."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.unread += data
        return bool(data)

    def until(self, end: bytes) -> bytes:
        """Return the bytes before `end`, and skip `end`."""
        while end not in self.unread:
            if not self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread.split(end, 1)
        return taken

    def exactly(self, size_bytes: int) -> bytes:
        while len(self.unread) < size_bytes:
            if not self.more():
                raise TruncatedError(self.unread)
        taken, self.unread = self.unread[:size_bytes], self.unread[size_bytes:]
        return taken

    def rest(self) -> bytes:
        """Return all bytes until the peer closes."""
        while self.more():
            pass
        taken, self.unread = self.unread, b""
        return taken

    def ended(self) -> bool:
        """Whether the peer closes without another byte."""
        return self.rest() == b""

    def head(self) -> Message:
        first, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        return Message(first, _fields(lines))

    def request(self) -> Message:
        """Read a complete request, including its body."""
        message = self.head()
        self._read_body(message, until_end=False)
        return message

    def response(self, method: bytes = b"GET", interim: list[int] | None = None) -> Message:
        """Read the final response to `method`; 1xx statuses are added to `interim`."""
        message = self.head()
        while message.status < 200 and message.status != 101:
            assert interim is not None, f"unexpected {message.first!r}"
            interim.append(message.status)
            message = self.head()
        if method != b"HEAD" and message.status not in (101, 204, 304):
            self._read_body(message, until_end=True)
        return message

    def _read_body(self, message: Message, until_end: bool) -> None:
        length, coding = message.get(b"Content-Length"), message.get(b"Transfer-Encoding")
        assert length is None or coding is None, f"both framings: {message.headers}"
        if coding is not None:
            assert coding == b"chunked", f"coding {coding!r}"
            self._read_chunks(message)
        elif length is not None:
            assert re.fullmatch(rb"[0-9]+", length), f"length {length!r}"
            message.body = self.exactly(int(length))
        elif until_end:
            message.body = self.rest()

    def _read_chunks(self, message: Message) -> None:
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            message.body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        while line := self.until(b"\r\n"):
            message.trailers += _fields([line])


def get(target: str = "/", *lines: str, method: str = "GET") -> bytes:
    """The bytes of a request without a body, or of the head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def post(body: bytes, target: str = "/", *lines: str, length: int | None = None) -> bytes:
    """The bytes of a POST; with `length` as Content-Length, `body` may be its beginning only."""
    size = len(body) if length is None else length
    return get(target, f"Content-Length: {size}", *lines, method="POST") + body
