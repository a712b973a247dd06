"""An HTTP/1.1 server that echoes requests as JSON; some paths have other responses.

    python echo.py PORT [DATA]    DATA: the folder of the log of /once, and of the files F
                                  that /slow?until=F waits for

It reads the file `version` in the working directory at its start, like a program its source, so
that a response shows which save it comes from.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = Path("version").read_text() if Path("version").exists() else ""
DATA = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()
PIECE = bytes(range(256)) * 256


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    length_bytes: int = 0
    trailers: bytes = b""

    def get(self, name: str) -> str:
        values = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(values)

    def text(self, name: str) -> str | None:
        values = parse_qs(urlsplit(self.target).query).get(name)
        return values[0] if values else None

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        return default if text is None else int(text)

    async def read(self) -> str:
        """Read the whole body; return its SHA-256 in hexadecimal."""
        digest = hashlib.sha256()
        if "chunked" in self.get("transfer-encoding").lower():
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                await self._take(size, digest.update)
                await self.reader.readexactly(2)
            while (line := await self.reader.readline()) != b"\r\n":
                self.trailers += line
        else:
            await self._take(int(self.get("content-length") or 0), digest.update)
        return digest.hexdigest()

    async def _take(self, size_bytes: int, use: Callable[[bytes], None]) -> None:
        self.length_bytes += size_bytes
        while size_bytes:
            data = await self.reader.read(min(size_bytes, 65536))
            if not data:
                raise ConnectionResetError("the body ended early")
            size_bytes -= len(data)
            use(data)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, text: str, *fields: str, status: str = "200 OK") -> None:
        body = text.encode()
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
        await self.send("\r\n".join(head).encode() + (b"" if self.method == "HEAD" else body))

    async def begin(self, *fields: str, status: str = "200 OK") -> None:
        await self.send("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))


async def echo(request: Request) -> None:
    sha256 = await request.read()
    seen = {
        "method": request.method,
        "target": request.target,
        "version": request.version,
        "headers": request.headers,
        "length": request.length_bytes,
        "sha256": sha256,
        "trailers": request.trailers.decode(),
    }
    await request.answer(json.dumps(seen), "Content-Type: application/json")


async def version(request: Request) -> None:
    await request.read()
    await asyncio.sleep(request.number("ms", 0) / 1000)
    until = request.text("until")
    while until and not (DATA / until).exists():  # noqa: ASYNC110 - the test creates it
        await asyncio.sleep(0.01)
    await request.answer(VERSION, "Content-Type: text/plain")


def note(line: str) -> None:
    with open(DATA / "once.log", "a") as file:
        file.write(line)


async def once(request: Request) -> None:
    """Log the id, like a program that stores an order, and respond after that."""
    await request.read()
    note(f"{request.number('id', -1)}\n")
    await asyncio.sleep(request.number("ms", 0) / 1000)
    await request.answer(VERSION)


async def chunked(request: Request) -> None:
    await request.read()
    await request.begin("Transfer-Encoding: chunked")
    for number in range(request.number("pieces", 3)):
        await request.chunk(b"piece %d\n" % number)
    await request.send(b"0\r\n\r\n")


async def sse(request: Request) -> None:
    await request.begin("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
    for number in range(request.number("events", 1_000_000)):
        await request.chunk(b"data: %d\n\n" % number)
        await asyncio.sleep(request.number("ms", 10) / 1000)
    await request.send(b"0\r\n\r\n")


async def download(request: Request) -> None:
    """Send known bytes; chunked with chunked=1; with a pause of ms= milliseconds per piece."""
    left, rest_s = request.number("bytes", 1 << 20), request.number("ms", 0) / 1000
    chunks = request.number("chunked", 0)
    await request.begin("Transfer-Encoding: chunked" if chunks else f"Content-Length: {left}")
    while left:
        piece = PIECE[:left]
        left -= len(piece)
        await (request.chunk(piece) if chunks else request.send(piece))
        if rest_s:
            await asyncio.sleep(rest_s)
    if chunks:
        await request.send(b"0\r\n\r\n")


async def early413(request: Request) -> None:
    await request.answer("too big", "Connection: close", status="413 Content Too Large")
    raise EOFError


async def close_delimited(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
    raise EOFError


async def short(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
    raise EOFError


async def trailers(request: Request) -> None:
    await request.begin("Transfer-Encoding: chunked", "Trailer: X-Sum")
    await request.chunk(b"body")
    await request.send(b"0\r\nX-Sum: 4\r\n\r\n")


async def hints103(request: Request) -> None:
    await request.begin("Link: </a.css>; rel=preload", status="103 Early Hints")
    await request.answer("hinted")


async def crash(request: Request) -> None:
    print("crash: asked for it", file=sys.stderr, flush=True)
    os._exit(3)


async def hang(request: Request) -> None:
    await request.reader.read()
    raise EOFError


async def onward(request: Request) -> None:
    """Forward to the origin `to`, by X-Forward-* fields that add a step to the chain."""
    await request.read()
    to = request.text("to")
    fields = ("To", to), ("Query-Params", f"to={to}"), ("Method", "POST")
    await request.answer("", *(f"X-Forward-{name}: {value}" for name, value in fields))


async def hangup(request: Request) -> None:
    raise EOFError


ROUTES: dict[str, Callable[[Request], Awaitable[None]]] = {
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


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """Raises IncompleteReadError at the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    method, target, http = first.split(" ")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Request(method, target, http, fields, reader, writer)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = await read_request(reader, writer)
            if request.get("expect") and urlsplit(request.target).path != "/early413":
                await request.begin(status="100 Continue")
            await ROUTES.get(urlsplit(request.target).path, echo)(request)
            if request.version == "HTTP/1.0" or "close" in request.get("connection").lower():
                return
    except (EOFError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
