"""Responses before the end of an upload, over HTTP/2 and HTTP/3: complete at the client."""

import subprocess
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import pytest
import uvloop

from test.deadline import PATIENCE_S
from test.frontends.http2_client import Http2Client, get
from test.frontends.http3_client import configuration, connected
from test.frontends.versions import Client
from test.harness import backend
from test.https import HttpsProxy
from test.loops import run

SIZE_BYTES = 5_000_000

# Answers as soon as it has read a head; `sys.argv[3]` says whether it then closes.
EARLY = """
import socket, sys, threading
status, then = sys.argv[2:4]
body = b"early " * 10_000
def serve(connection):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return
        data += piece
    early = status if data.startswith(b"POST") else "200 OK"
    close = "Connection: close\\r\\n" if then == "close" else ""
    head = f"HTTP/1.1 {early}\\r\\nContent-Length: {len(body)}\\r\\n{close}\\r\\n"
    connection.sendall(head.encode() + body)
    if then == "close":
        connection.close()
    else:
        while connection.recv(65536):
            pass
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
"""
BODY = b"early " * 10_000


def early(project: Path, status: str, then: str) -> HttpsProxy:
    project.mkdir(exist_ok=True, parents=True)
    (project / "early.py").write_text(EARLY)
    return HttpsProxy(project, ["python3", "early.py", "{port}", status, then], "--http3")


def curl_upload(proxy: HttpsProxy, tmp_path: Path, *options: str) -> bytes:
    """Upload 5 MB with curl, and return the response, head and body."""
    (tmp_path / "upload").write_bytes(bytes(SIZE_BYTES))
    command = [
        *("curl", "--silent", "--show-error", "--include", "--http2", "--cacert", str(proxy.ca)),
        *("--max-time", str(PATIENCE_S), "--data-binary", f"@{tmp_path / 'upload'}", *options),
    ]
    done = subprocess.run([*command, f"{proxy.url}/"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def upload(client: Client) -> tuple[int, bytes]:
    """Upload and read at the same time, as curl does; return the response's status and body."""
    length = b"content-length", b"%d" % SIZE_BYTES
    stream_id = await client.ask(get("/", length, method=b"POST"), None)
    sent = 0
    answer = await client.head(stream_id)  # before any of the body is sent
    while sent < SIZE_BYTES and not answer.has_ended:
        await client.upload(stream_id, bytes(65_536))
        sent += 65_536
    answer = await client.answer(stream_id)
    return answer.status, bytes(answer.body)


Way = Callable[[HttpsProxy], Coroutine[None, None, tuple[int, bytes]]]


async def over_http2(proxy: HttpsProxy) -> tuple[int, bytes]:
    client = await Http2Client.connect(proxy.port, proxy.context("h2"))
    try:
        answered = await upload(client)
        assert (await client.fetch()).status in (200, 503), "the connection goes on"
        return answered
    finally:
        client.close()


async def over_http3(proxy: HttpsProxy) -> tuple[int, bytes]:
    async with connected(proxy.port, configuration(None)) as client:
        answered = await upload(client)
        assert (await client.fetch()).status in (200, 503), "the connection goes on"
        return answered


STATUSES = [
    ("413 Content Too Large", "close"),
    ("401 Unauthorized", "close"),
    ("413 Content Too Large", "read"),
]
every_answer = pytest.mark.parametrize(("status", "then"), STATUSES)


@every_answer
def test_early_response_of_the_server_reaches_curl_complete(
    status: str, then: str, project: Path, tmp_path: Path
) -> None:
    with early(project, status, then) as proxy:
        proxy.running()
        head, _, body = curl_upload(proxy, tmp_path).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/2 " + status[:3].encode())
        assert body == BODY


@every_answer
@pytest.mark.parametrize("way", [over_http2, over_http3], ids=["HTTP/2", "HTTP/3"])
def test_early_response_of_the_server_reaches_a_client_complete(
    way: Way, status: str, then: str, project: Path
) -> None:
    async def ask() -> None:
        assert await way(proxy) == (int(status[:3]), BODY)

    with early(project, status, then) as proxy:
        proxy.running()
        run(ask(), uvloop.new_event_loop)


def test_503_after_a_crash_reaches_every_client_complete(project: Path, tmp_path: Path) -> None:
    async def ask() -> None:
        for way in (over_http2, over_http3):
            status, body = await way(proxy)
            assert (status, b"no such table" in body) == (503, True)

    with HttpsProxy(project, backend("crash.py"), "--http3") as proxy:
        proxy.wait_state("error")
        answer = curl_upload(proxy, tmp_path)
        assert answer.startswith(b"HTTP/2 503")
        assert b"no such table" in answer
        run(ask(), uvloop.new_event_loop)


@pytest.mark.parametrize(
    ("fields", "status"),
    [(("--header", "Host: evil.example"), b"403"), (("--request", "CONN[ECT"), b"400")],
    ids=["host", "method"],
)
def test_refusal_of_the_proxy_reaches_curl_complete(
    fields: Sequence[str], status: bytes, project: Path, tmp_path: Path
) -> None:
    with HttpsProxy(project, backend("echo.py")) as proxy:
        proxy.running()
        head, _, body = curl_upload(proxy, tmp_path, *fields).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/2 " + status)
        assert body
