"""The backends that are restarted: small projects that answer with the version of their start."""

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from test.benchmark.tools import (
    MissingError,
    go_program,
    program,
    run,
    venv_program,
    warm_program,
)

RAW = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n{version}")
    connection.close()
"""
# Head and body of a response are two writes, as in many servers of standard libraries.
TWO_WRITES = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"{version}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
NODE = """
require("http").createServer((request, response) => response.end("{version}"))
  .listen(Number(process.argv[2]), "127.0.0.1");
"""
FLASK = """
from flask import Flask
app = Flask(__name__)
@app.route("/")
def index():
    return "{version}"
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{version}"]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"{version}"}})
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({{"type": "lifespan.startup.complete"}})
        await send({{"type": "lifespan.shutdown.complete"}})
"""
DJANGO = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("{version}"))]
"""
PANDAS = """
import pandas
import sqlalchemy
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("{version}"))]
"""
FASTAPI = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def index() -> str:
    return "{version}"
"""


def marker(version: int) -> str:
    return f"version={version};"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with one file to save, and a command that serves it at a port.

    `template` is the file's text with `{version}` in it.
    """

    name: str
    source: str
    template: str
    command: Callable[[int], tuple[str, ...]]
    prepare: Callable[[Path], None] = lambda folder: None
    comment: str = "#"

    def text(self, version: int) -> str:
        """The source of a version; its length differs from that of the last one, because Python
        treats bytecode as fresh if the source has the same second and size."""
        padding = self.comment + "x" * (version % 97) + "\n" if self.comment else ""
        return textwrap.dedent(self.template).lstrip().format(version=marker(version)) + padding

    def save(self, folder: Path, version: int) -> None:
        """Save like an editor: in place, or every second time through a temporary file."""
        path = folder / self.source
        if version % 2:
            path.write_text(self.text(version))
            return
        temporary = path.with_name(f".{path.name}.tmp~")
        temporary.write_text(self.text(version))
        temporary.replace(path)


def _raw(port: int) -> tuple[str, ...]:
    return (sys.executable, "app.py", str(port))


def _node(port: int) -> tuple[str, ...]:
    return (program("node"), "app.js", str(port))


def _go(port: int) -> tuple[str, ...]:
    return (go_program("server"), str(port))


def _flask(port: int) -> tuple[str, ...]:
    return (venv_program("flask"), "--app", "app", "run", "--port", str(port))


def _django(port: int) -> tuple[str, ...]:
    return (venv_program("python"), "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")


def _uvicorn(port: int) -> tuple[str, ...]:
    return (venv_program("uvicorn"), "app:app", "--port", str(port), "--log-level", "warning")


def _gunicorn(port: int) -> tuple[str, ...]:
    return (venv_program("gunicorn"), "app:app", "--bind", f"127.0.0.1:{port}")


def _warm_flask(port: int) -> tuple[str, ...]:
    return (warm_program("flask"), "--app", "app", "run", "--port", str(port))


def _warm_django(port: int) -> tuple[str, ...]:
    return (warm_program("python"), "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")


def _warm_fastapi(port: int) -> tuple[str, ...]:
    return (warm_program("uvicorn"), "app:app", "--port", str(port), "--log-level", "warning")


def _startproject(folder: Path) -> None:
    if not (folder / "manage.py").exists():
        run([venv_program("django-admin"), "startproject", "site_", str(folder)])


def _warm_startproject(folder: Path) -> None:
    if not (folder / "manage.py").exists():
        run([warm_program("django-admin"), "startproject", "site_", str(folder)])


PROJECTS = (
    Project("python", "app.py", RAW, _raw),
    Project("go", "version.txt", "{version}\n", _go, comment=""),
    Project("node", "app.js", NODE, _node, comment="//"),
    Project("flask", "app.py", FLASK, _flask),
    Project("django", "site_/urls.py", DJANGO, _django, prepare=_startproject),
    Project("uvicorn", "app.py", ASGI, _uvicorn),
    Project("gunicorn", "app.py", WSGI, _gunicorn),
)

# Projects of which saves are requested at once, and under load.
SAVED = (Project("http.server", "app.py", TWO_WRITES, _raw), *PROJECTS)

# Projects that are started warm and cold; the second one is also saved, and so has peers.
WITH_PANDAS = Project("pandas", "site_/urls.py", PANDAS, _warm_django, prepare=_warm_startproject)
WARM_PROJECTS = (
    Project("django", "site_/urls.py", DJANGO, _warm_django, prepare=_warm_startproject),
    WITH_PANDAS,
    Project("flask", "app.py", FLASK, _warm_flask),
    Project("fastapi", "app.py", FASTAPI, _warm_fastapi),
)


def missing(project: Project) -> str | None:
    try:
        project.command(0)
    except MissingError as error:
        return str(error)
    return None
