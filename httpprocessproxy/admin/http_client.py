"""A client of HTTP/1.1 for a proxy on this machine: one request for each connection.

http.client would import email and ssl, which takes longer than a request here; ssl is imported for
a proxy that speaks TLS only.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    import ssl

# As http.client.
_MAX_LINE_BYTES: Final = 65_536
_MAX_FIELDS: Final = 100


class HttpError(Exception):
    """The peer does not speak HTTP/1.1, or closes the connection within a response."""


class HttpResponse:
    """The head of a response, whose body is read from the open connection."""

    def __init__(self, reader: BinaryIO) -> None:
        """Read the head. Raises HttpError and OSError."""
        self._reader = reader
        version, _, rest = _line(reader).partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise HttpError("the response is not HTTP")
        self.status = int(rest[:3])
        self._fields: dict[str, str] = {}
        for _ in range(_MAX_FIELDS):
            name, colon, value = _line(reader).partition(":")
            if not colon:
                break
            self._fields[name.lower()] = value.strip()

    def read(self) -> bytes:
        """The whole body. Raises HttpError and OSError."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body, as it arrives. Raises HttpError and OSError."""
        if self._fields.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        return self._counted()

    def _counted(self) -> Iterator[bytes]:
        length = self._fields.get("content-length")
        if length is None:
            while piece := self._reader.read1():  # type: ignore[attr-defined]
                yield piece
        else:
            yield self._exactly(int(length))

    def _chunks(self) -> Iterator[bytes]:
        # RFC 9112 section 7.1; the connection closes, so trailer fields need not be read.
        while size := int(_line(self._reader).partition(";")[0], 16):
            yield self._exactly(size)
            _line(self._reader)

    def _exactly(self, size_bytes: int) -> bytes:
        body = self._reader.read(size_bytes)
        if len(body) < size_bytes:
            raise HttpError("the response is cut")
        return body


@contextlib.contextmanager
def request(
    address: tuple[str, int],
    line: str,
    fields: Mapping[str, str],
    timeout_s: float | None,
    tls: "ssl.SSLContext | None" = None,
) -> Iterator[HttpResponse]:
    """Send a request without a body, as `GET /path`, to an IP address and a port.

    `timeout_s` limits the wait for each piece of the response. The connection is closed at the end
    of the context. Raises HttpError and OSError.
    """
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    head = {"Host": f"{host}:{address[1]}", "Connection": "close", "Content-Length": "0", **fields}
    lines = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(address, timeout_s))
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection))
        connection.sendall("\r\n".join(lines).encode())
        reader = stack.enter_context(connection.makefile("rb"))
        try:
            yield HttpResponse(reader)
        except ValueError as error:  # a number of the framing
            raise HttpError("the response is not HTTP") from error


def _line(reader: BinaryIO) -> str:
    """Read a line, without its end. Raises HttpError and OSError."""
    line = reader.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise HttpError("the connection ends" if not line else "the response is not HTTP")
    return line.decode("latin-1").rstrip("\r\n")
