"""An HTTP/1.1 server that echoes requests as JSON; some paths have other responses.

    python echo.py PORT [DATA]    DATA: the folder of the log of /once, and of the files F
                                  that /slow?until=F waits for

It reads the file `version` in the working directory at its start, like a program its source, so
that a response shows which save it comes from. Tests start it a thousand times: it has a thread for
each connection, because asyncio would take twice the time to import.
"""

import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

DATA = sys.argv[2] if len(sys.argv) > 2 else ""
PIECE = bytes(range(256)) * 256


def saved_version() -> str:
    try:
        with open("version") as file:
            return file.read()
    except FileNotFoundError:
        return ""


VERSION = saved_version()


class Request:
    """A request, and the connection that it came on. Raises EOFError at the connection's end."""

    def __init__(self, connection: socket.socket, stream: "Stream") -> None:
        first, *lines = stream.head().decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        self.headers = [(name, value.strip()) for name, _, value in pairs]
        self.stream = stream
        self.connection = connection
        self.length_bytes = 0
        self.trailers = b""

    def get(self, name: str) -> str:
        values = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(values)

    def text(self, name: str) -> str | None:
        values = parse_qs(urlsplit(self.target).query).get(name)
        return values[0] if values else None

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        return default if text is None else int(text)

    def read(self) -> str:
        """Read the whole body; return its SHA-256 in hexadecimal."""
        digest = hashlib.sha256()
        if "chunked" in self.get("transfer-encoding").lower():
            while size := int(self.stream.line().split(b";")[0], 16):
                self._take(size, digest.update)
                self.stream.line()
            while (line := self.stream.line()) != b"\r\n":
                self.trailers += line
        else:
            self._take(int(self.get("content-length") or 0), digest.update)
        return digest.hexdigest()

    def _take(self, size_bytes: int, use: Callable[[bytes], None]) -> None:
        self.length_bytes += size_bytes
        for piece in self.stream.pieces(size_bytes):
            use(piece)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, text: str, *fields: str, status: str = "200 OK") -> None:
        body = text.encode()
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
        self.send("\r\n".join(head).encode() + (b"" if self.method == "HEAD" else body))

    def begin(self, *fields: str, status: str = "200 OK") -> None:
        self.send("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))


class Stream:
    """The bytes that a connection receives. Raises EOFError at its end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = bytearray()

    def head(self) -> bytes:
        """A head, without the empty line."""
        return self._until(b"\r\n\r\n")[:-4]

    def line(self) -> bytes:
        """A line, with its end."""
        return self._until(b"\r\n")

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """The next bytes, as they come."""
        while size_bytes:
            if not self._unread:
                self._receive()
            piece = bytes(self._unread[:size_bytes])
            del self._unread[:size_bytes]
            size_bytes -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read all until the end."""
        while True:
            self._receive()

    def _until(self, end: bytes) -> bytes:
        while (at := self._unread.find(end)) < 0:
            self._receive()
        found = bytes(self._unread[: at + len(end)])
        del self._unread[: at + len(end)]
        return found

    def _receive(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise EOFError
        self._unread += data


def echo(request: Request) -> None:
    import json  # other paths do without

    sha256 = request.read()
    seen = {
        "method": request.method,
        "target": request.target,
        "version": request.version,
        "headers": request.headers,
        "length": request.length_bytes,
        "sha256": sha256,
        "trailers": request.trailers.decode(),
    }
    request.answer(json.dumps(seen), "Content-Type: application/json")


def version(request: Request) -> None:
    request.read()
    time.sleep(request.number("ms", 0) / 1000)
    until = request.text("until")
    while until and not os.path.exists(os.path.join(DATA, until)):
        time.sleep(0.01)
    request.answer(VERSION, "Content-Type: text/plain")


def note(line: str) -> None:
    with open(os.path.join(DATA, "once.log"), "a") as file:
        file.write(line)


def once(request: Request) -> None:
    """Log the id, like a program that stores an order, and respond after that."""
    request.read()
    note(f"{request.number('id', -1)}\n")
    time.sleep(request.number("ms", 0) / 1000)
    request.answer(VERSION)


def chunked(request: Request) -> None:
    request.read()
    request.begin("Transfer-Encoding: chunked")
    for number in range(request.number("pieces", 3)):
        request.chunk(b"piece %d\n" % number)
    request.send(b"0\r\n\r\n")


def sse(request: Request) -> None:
    request.begin("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
    for number in range(request.number("events", 1_000_000)):
        request.chunk(b"data: %d\n\n" % number)
        time.sleep(request.number("ms", 10) / 1000)
    request.send(b"0\r\n\r\n")


def download(request: Request) -> None:
    """Send known bytes; chunked with chunked=1; with a pause of ms= milliseconds per piece."""
    left, rest_s = request.number("bytes", 1 << 20), request.number("ms", 0) / 1000
    chunks = request.number("chunked", 0)
    request.begin("Transfer-Encoding: chunked" if chunks else f"Content-Length: {left}")
    send = request.chunk if chunks else request.send
    while left:
        piece = PIECE[:left]
        left -= len(piece)
        send(piece)
        if rest_s:
            time.sleep(rest_s)
    if chunks:
        request.send(b"0\r\n\r\n")


def early413(request: Request) -> None:
    request.answer("too big", "Connection: close", status="413 Content Too Large")
    raise EOFError


def close_delimited(request: Request) -> None:
    request.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
    raise EOFError


def short(request: Request) -> None:
    request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
    raise EOFError


def trailers(request: Request) -> None:
    request.begin("Transfer-Encoding: chunked", "Trailer: X-Sum")
    request.chunk(b"body")
    request.send(b"0\r\nX-Sum: 4\r\n\r\n")


def hints103(request: Request) -> None:
    request.begin("Link: </a.css>; rel=preload", status="103 Early Hints")
    request.answer("hinted")


def crash(request: Request) -> None:
    print("crash: asked for it", file=sys.stderr, flush=True)
    os._exit(3)


def hang(request: Request) -> None:
    request.stream.drain()


def onward(request: Request) -> None:
    """Forward to the origin `to`, by X-Forward-* fields that add a step to the chain."""
    request.read()
    to = request.text("to")
    fields = ("To", to), ("Query-Params", f"to={to}"), ("Method", "POST")
    request.answer("", *(f"X-Forward-{name}: {value}" for name, value in fields))


def hangup(request: Request) -> None:
    raise EOFError


ROUTES: dict[str, Callable[[Request], None]] = {
    "/version": version,
    "/slow": version,
    "/once": once,
    "/chunked": chunked,
    "/sse": sse,
    "/download": download,
    "/early413": early413,
    "/close-delimited": close_delimited,
    "/short": short,
    "/trailers": trailers,
    "/hints103": hints103,
    "/crash": crash,
    "/hang": hang,
    "/hangup": hangup,
    "/onward": onward,
}


def serve(connection: socket.socket) -> None:
    stream = Stream(connection)
    try:
        while True:
            request = Request(connection, stream)
            if request.get("expect") and urlsplit(request.target).path != "/early413":
                request.begin(status="100 Continue")
            ROUTES.get(urlsplit(request.target).path, echo)(request)
            if request.version == "HTTP/1.0" or "close" in request.get("connection").lower():
                return
    except (EOFError, ConnectionError):
        pass
    finally:
        connection.close()


with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100) as server:
    while True:
        accepted = server.accept()[0]
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(accepted,), daemon=True).start()
