"""Servers of a page with the contents of project files at their start, and of 200,000 bytes.

    python servers.py plain PORT                  http.server: head and body separately
    python servers.py runserver --noreload PORT   Django, with a static file
    uvicorn servers:asgi                          ASGI, in pieces
    gunicorn servers:wsgi                         WSGI, in pieces

`/large` returns the bytes, any other path the numbers in the files, which show the response's age.
"""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAMES = ("version", "source/version.py", "settings/version.toml", "templates/version.html")
LARGE = b"x" * 200_000
PIECE_BYTES = 50_000
Message = Mapping[str, object]


def read() -> Iterator[bytes]:
    for name in NAMES:
        with contextlib.suppress(FileNotFoundError):
            yield Path(name).read_bytes()


VERSIONS = b" ".join(read())


def content(path: object) -> bytes:
    return LARGE if path == "/large" else VERSIONS


def pieces(body: bytes) -> Iterator[bytes]:
    return (body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = content(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


async def asgi(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    body = content(scope["path"])
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces(body):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


def wsgi(
    environ: Mapping[str, object],
    start_response: Callable[[str, list[tuple[str, str]]], object],
) -> Iterator[bytes]:
    body = content(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return pieces(body)


def run_django() -> None:
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.http import HttpResponse
    from django.urls import path, re_path
    from django.views.static import serve

    class Urls:
        urlpatterns = [
            path("large", lambda request: serve(request, "large", document_root="static")),
            re_path("", lambda request: HttpResponse(VERSIONS, content_type="text/plain")),
        ]

    settings.configure(DEBUG=True, SECRET_KEY="for tests", ROOT_URLCONF=Urls, USE_TZ=True)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
    run_django()
