"""The command `http-process-asgi`, run as a real process."""

import asyncio
import contextlib
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest
import uvloop

from httpprocessproxy.asgi.command import main
from test.deadline import PATIENCE_S
from test.frontends.http2_client import get
from test.frontends.http3_client import configuration, connected
from test.frontends.http3_fronts import CA, write_certificate
from test.ports import free_port

SIZE_BYTES = 50_000_000
PIECE = bytes(range(256)) * 256
MIB = 1024 * 1024

APPLICATION = """
import asyncio, hashlib, signal
PIECE = bytes(range(256)) * 256

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            print("step", step, flush=True)
            await send({"type": f"lifespan.{step}.complete"})
        return
    if scope["path"] == "/fail":
        raise ValueError("on purpose")
    taken, size, more = hashlib.sha256(), 0, True
    while more:
        event = await receive()
        taken.update(event["body"])
        size += len(event["body"])
        more = event["more_body"]
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"x-hash", taken.hexdigest().encode())]})
    count = int(scope["query_string"] or b"0")
    for number in range(count):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body"})

def make():
    return app

async def unready(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""


class Command:
    """The command as a child process; `output` has the lines read so far, at the end all."""

    def __init__(self, folder: Path, application: str, *options: str) -> None:
        self.port = free_port()
        self.output = ""
        self._folder = folder
        self._arguments = [
            *(
                sys.executable,
                "-c",
                "from httpprocessproxy.asgi.command import main; exit(main())",
            ),
            *(application, "--host", "127.0.0.1", "--port", str(self.port), *options),
        ]

    def __enter__(self) -> Self:
        environment: Mapping[str, str] = {**os.environ, "PYTHONASYNCIODEBUG": ""}
        self.process = subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def started(self, last: str = "HTTP/3 by") -> Self:
        """Read its output up to the line that contains `last`."""
        assert self.process.stdout is not None
        while last not in (line := self.process.stdout.readline()):
            assert line, f"it has ended: {self.output}"
            self.output += line
        self.output += line
        return self

    def end(self, *signals: signal.Signals) -> int:
        """Send the signals, and return the exit status."""
        for number in signals:
            self.process.send_signal(number)
        self.output += self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode

    def peak_bytes(self) -> int:
        """The peak resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_certificate(tmp_path)
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


FILES = ("--certfile", "cert.pem", "--keyfile", "key.pem")


@contextlib.contextmanager
def https(port: int, authority: bytes | None = None) -> Iterator[http.client.HTTPSConnection]:
    trusted = (authority or CA.cert_pem.bytes()).decode()
    context = ssl.create_default_context(cadata=trusted)
    client = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=context)
    with contextlib.closing(client):
        yield client


def test_command_serves_and_shuts_down_on_sigterm(folder: Path) -> None:
    with Command(folder, "shop:app", *FILES, "--debug") as command:
        command.started()
        with https(command.port) as client:
            client.request("GET", "/a?1")
            response = client.getresponse()
            assert response.read() == PIECE
            assert response.headers["Alt-Svc"] == f'h3=":{command.port}"; ma=3600'
            client.request("GET", "/fail")
            response = client.getresponse()
            assert (response.status, response.read()) == (500, b"Internal Server Error")
        assert command.end(signal.SIGTERM) == 143
    assert f"open         https://127.0.0.1:{command.port}/" in command.output
    assert "certificate  cert.pem, until " in command.output
    assert "HTTP/1.1 GET '/a' 200" in command.output
    assert "ValueError: on purpose" in command.output
    assert command.output.count("Traceback") == 1
    assert re.findall(r"step (\w+)", command.output) == ["startup", "shutdown"]


def test_factory_is_served_with_a_certificate_of_the_local_ca(folder: Path, data: Path) -> None:
    with Command(folder, "shop:make", "--factory") as command:
        command.started()
        with https(command.port, (data / "ca/ca.pem").read_bytes()) as client:
            client.request("GET", "/")
            assert client.getresponse().status == 200
        assert command.end(signal.SIGINT) == 130
    assert "trust it by  http-process-proxy --trust" in command.output
    assert "Traceback" not in command.output


@pytest.mark.parametrize(
    ("application", "options", "line"),
    [
        ("shop", (), "not an application: 'shop' (write MODULE:APP, for example shop.web:app)"),
        ("none:app", (), "there is no module 'none' here"),
        ("shop:none", (), "'shop' has no 'none'"),
        (
            "shop:make",
            (),
            "shop:make does not take scope, receive and send: is it a factory? then add --factory",
        ),
        (
            "shop:app",
            ("--certfile", "none"),
            "cannot read the certificate none: No such file or directory",
        ),
        *(
            (
                "shop:app",
                ("--port", port),
                f"argument --port: not a port: '{port}' (a number from 0 to 65535) (see --help)",
            )
            for port in ("x", "70000")
        ),
        ("shop:unready", FILES, "the application did not start: no database"),
    ],
)
def test_user_error_is_one_line_and_exit_status_2(
    folder: Path, application: str, options: tuple[str, ...], line: str
) -> None:
    with Command(folder, application, *options) as command:
        assert command.end() == 2
    assert command.output == f"http-process-asgi: {line}\n"


def test_taken_port_is_a_user_error(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Command(folder, "shop:app", *FILES, "--port", str(taken.getsockname()[1])) as command,
    ):
        assert command.end() == 2
    assert "is in use" in command.output


def test_command_without_its_udp_port_serves_and_prints_a_line(folder: Path) -> None:
    with Command(folder, "shop:app", *FILES) as command:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", command.port))
            command.started("certificate")
        assert command.end(signal.SIGTERM) == 143
    assert f"without HTTP/3: UDP port {command.port} is in use" in command.output
    assert "HTTP/3 by" not in command.output


def test_help_names_the_application_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "MODULE:APP" in capsys.readouterr().out


def test_50_mb_over_http1_both_ways_use_little_memory(folder: Path) -> None:
    body = bytes(SIZE_BYTES)
    with Command(folder, "shop:app", *FILES) as command, https(command.started().port) as client:
        before = command.peak_bytes()
        client.request("POST", f"/?{SIZE_BYTES // len(PIECE)}", body)
        response = client.getresponse()
        assert response.headers["X-Hash"] == hashlib.sha256(body).hexdigest()
        received = hashlib.sha256()
        while piece := response.read(MIB):
            received.update(piece)
        assert received.digest() == hashlib.sha256(PIECE * (SIZE_BYTES // len(PIECE))).digest()
        assert command.peak_bytes() - before < 16 * MIB
        assert command.end(signal.SIGTERM) == 143


def test_50_mb_over_http3_and_10_back_use_little_memory(folder: Path) -> None:
    body = bytes(SIZE_BYTES)
    count = SIZE_BYTES // len(PIECE) // 5

    async def main(port: int) -> None:
        async with connected(port, configuration(CA.cert_pem.bytes())) as client:
            client.keeps_bodies = False
            answer = await client.fetch(get(f"/?{count}", method=b"POST"), body)
            assert dict(answer.fields)[b"x-hash"] == hashlib.sha256(body).hexdigest().encode()
            assert answer.size_bytes == count * len(PIECE)

    with Command(folder, "shop:app", *FILES) as command:
        before = command.started().peak_bytes()
        # The client (aioquic) is the slower end, and asyncio's debug mode would slow it further.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=False) as runner:
            runner.run(asyncio.wait_for(main(command.port), 6 * PATIENCE_S))
        assert command.peak_bytes() - before < 16 * MIB
        assert command.end(signal.SIGTERM) == 143
