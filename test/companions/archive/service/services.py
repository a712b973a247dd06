"""Services as real processes, and their HTTP clients."""

import asyncio
import http.client
import io
import itertools
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from multidict import CIMultiDict

from httpprocessproxy.companions.archive.store.clients import Clients
from httpprocessproxy.companions.archive.store.database import opened
from test.deadline import PATIENCE_S
from test.spoken import Spoken
from test.wire import Wire

_numbers = itertools.count()


def environment(**more: str) -> dict[str, str]:
    """The environment without variables that configure a service or slow it down."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONASYNCIODEBUG", "DB_URL", "PORT") and not name.startswith("FPX_")
    }
    return {**kept, **more}


def command(*arguments: str, status: int = 0, **more: str) -> str:
    """The output of a command: standard output for status 0, otherwise standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "httpprocessproxy.companions.archive.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(**more),
        check=False,
    )
    assert done.returncode == status, done
    written, silent = (done.stderr, done.stdout) if status else (done.stdout, done.stderr)
    assert silent == ""
    return written


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def members(self) -> dict[str, bytes]:
        """The members of the archive in the body."""
        with zipfile.ZipFile(io.BytesIO(self.body)) as opened:
            return {info.filename: opened.read(info) for info in opened.infolist()}


class Service(Spoken):
    """A running service."""

    what = "service"

    def __init__(self, db_url: str, *options: str, **more: str) -> None:
        super().__init__()
        self.db_url = db_url
        self._arguments = ("server", "run", "--host", "127.0.0.1", "--port", "0", *options)
        self._environment = {**environment(**more), "FPX_DB_URL": db_url}
        self.port = 0

    def __enter__(self) -> Self:
        module = "httpprocessproxy.companions.archive.cli"
        self.start([sys.executable, "-m", module, *self._arguments], self._environment)
        self.port = int(self.wait_line(r"tickets on http://127\.0\.0\.1:(\d+)/ticket/")[1])
        return self

    # Clients and their requests

    def client(self) -> str:
        """Create a client in the service's database, and return its secret."""
        return self.named_client()[1]

    def named_client(self, keeps_secret: bool = False) -> tuple[str, str]:
        name = f"client{next(_numbers)}"

        async def add() -> str:
            async with opened(self.db_url) as engine:
                return await Clients(engine).add(name, keeps_secret)

        return name, asyncio.run(add())

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """Send a request, and return its response. `X_Name="v"` sends `X-Name: v`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body or None, fields)
            response = connection.getresponse()
            return Answer(response.status, CIMultiDict(response.headers.items()), response.read())
        finally:
            connection.close()

    def generate(self, secret: str, **data: object) -> Answer:
        body = json.dumps(data).encode()
        return self.ask("/ticket/generate", "POST", body, X_Fpx_Authorize=secret)

    def ticket(self, secret: str, *items: object, **data: object) -> str:
        """Create a ticket, and return its id."""
        answer = self.generate(secret, items=items, **data)
        assert answer.status == 200, answer
        made = answer.json
        assert isinstance(made, dict)
        return str(made["id"])

    def download(self, id_: str, method: str = "GET", **headers: str) -> Answer:
        return self.ask(f"/ticket/{id_}/download", method, b"", **headers)

    def begin(self, id_: str) -> Wire:
        """Request a download, without reading the response."""
        wire = Wire.connect(self.port)
        wire.send(f"GET /ticket/{id_}/download HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return wire


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'archive.db'}"
