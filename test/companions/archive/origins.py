"""An origin server for archives: good pages, redirects, errors, truncated and endless bodies."""

import random
import select
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from test.deadline import PATIENCE_S

# Random bytes do not deflate: the archive has the same size.
PIECE: Final = random.Random(1).randbytes(65536)


class Origin:
    """The server, on loopback. `requests` are the received paths and header fields.

    The test sets `released` to let /held/ continue. The server sets `gone` and `ended` when the
    client of /held/ or /endless/ has disconnected.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.released = threading.Event()
        self.gone = threading.Event()
        self.ended = threading.Event()
        self.sent_bytes = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, path: str) -> list[Mapping[str, str]]:
        """The fields of each request for a path."""
        return [fields for asked, fields in list(self.requests) if asked == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.requests.append((self.path, dict(self.headers)))
                answer = _ANSWERS.get(self.path.partition("/")[2].partition("/")[0], _text)
                answer(origin, self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _send(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **fields: str | int
) -> None:
    handler.send_response(status)
    fields = {"Content_Type": "text/plain", "Content_Length": len(body), **fields}
    for name, value in fields.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


def _text(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    _send(handler, f"text of {handler.path}".encode())


def _missing(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    _send(handler, b"none", 404)


def _moved(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    _send(handler, b"", 302, Location=f"/text/{handler.path.rpartition('/')[2]}")


def _away(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    _send(handler, b"", 302, Location="http://192.0.2.1/")


def _dies(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    _send(handler, b"x" * 100, Content_Length=1000)


def _held(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    """Send half of the body, and the rest when the test sets `released`."""
    _send(handler, b"begun,", Content_Length=len(b"begun,ended"))
    handler.wfile.flush()
    # No second request comes on this connection: readable means that the client has disconnected.
    poll = select.poll()
    poll.register(handler.connection, select.POLLIN)
    while not origin.released.wait(0.005):
        if poll.poll(0):
            origin.gone.set()
            handler.close_connection = True
            return
    handler.wfile.write(b"ended")


def _endless(origin: Origin, handler: BaseHTTPRequestHandler) -> None:
    """Send until the client disconnects."""
    try:
        _send(handler, b"", Content_Length=1 << 31)
        while not origin.released.is_set():
            handler.wfile.write(PIECE)
            origin.sent_bytes += len(PIECE)
    except OSError:
        origin.ended.set()
    handler.close_connection = True


_ANSWERS: Final[Mapping[str, Callable[[Origin, BaseHTTPRequestHandler], None]]] = {
    "text": _text,
    "missing": _missing,
    "moved": _moved,
    "away": _away,
    "dies": _dies,
    "held": _held,
    "endless": _endless,
}
