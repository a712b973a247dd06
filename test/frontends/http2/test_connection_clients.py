"""Independent clients of HTTP/2 over TLS: httpx and curl."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from test.fakes import Peer
from test.frontends.fronts import Front, authority_file, client_context, fronting
from test.loops import on_every_loop
from test.wire import TruncatedError

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@contextlib.asynccontextmanager
async def answering(front: Front) -> AsyncIterator[str]:
    """Answer each request with its body's size in the field X-Size. Yields the URL."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        async def accept() -> None:
            while True:
                peer = await front.bench.backend.accept()
                tasks.append(group.create_task(serve(peer), name="serve"))

        async def serve(peer: Peer) -> None:
            with contextlib.suppress(TruncatedError):
                while True:
                    request = await peer.request()
                    size = b"X-Size: %d\r\n" % len(request.body)
                    body = b"" if request.method == b"HEAD" else b"ok"
                    await peer.send(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", size, b"\r\n", body
                    )

        tasks.append(group.create_task(accept(), name="accept"))
        yield f"https://localhost:{front.port}/"
        for task in tasks:
            task.cancel()


def httpx_client() -> httpx.AsyncClient:
    context: ssl.SSLContext = client_context()
    return httpx.AsyncClient(http1=False, http2=True, verify=context, timeout=20)


@on_every_loop
async def test_httpx_get_head_post_and_a_hundred_concurrent_requests() -> None:
    async with fronting(tls=True) as front, answering(front) as url, httpx_client() as client:
        first = await client.get(url)
        assert (first.http_version, first.status_code, first.text) == ("HTTP/2", 200, "ok")
        head = await client.head(url)
        assert head.headers["content-length"] == "2"
        posted = await client.post(url, content=b"x" * 1_000_000)
        assert posted.headers["x-size"] == "1000000"
        many = await asyncio.gather(*(client.get(url) for _ in range(100)))
        assert {answer.text for answer in many} == {"ok"}


async def curl(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--http2", "--max-time", "20", *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


@needs_curl
@on_every_loop
async def test_curl_get_upload_head_and_parallel_requests(tmp_path: Path) -> None:
    alt_svc = b'h3=":443"; ma=3600'
    (tmp_path / "upload").write_bytes(b"y" * 5_000_000)
    trust = "--cacert", str(authority_file(tmp_path))
    async with fronting(tls=True, alt_svc=alt_svc) as front, answering(front) as url:
        shown = await curl(*trust, "--include", url)
        assert shown.startswith(b"HTTP/2 200")
        assert b'\r\nalt-svc: h3=":443"; ma=3600\r\n' in shown
        assert shown.endswith(b"\r\n\r\nok")
        upload = "--data-binary", f"@{tmp_path / 'upload'}"
        assert b"x-size: 5000000" in await curl(*trust, "--include", *upload, url)
        assert b"content-length: 2" in await curl(*trust, "--head", url)
        several = await curl(*trust, "--parallel", *[url] * 20)
        assert several == b"ok" * 20


@needs_curl
@on_every_loop
async def test_curl_gets_an_early_response_during_its_upload(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"y" * 5_000_000)
    upload = "--data-binary", f"@{tmp_path / 'upload'}"
    trust = "--cacert", str(authority_file(tmp_path))
    async with fronting(tls=True) as front, asyncio.TaskGroup() as group:

        async def refuse() -> None:
            peer = await front.bench.backend.accept()
            await peer.head()
            await peer.send(
                b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n"
                b"Connection: close\r\n\r\ntoo large"
            )

        group.create_task(refuse(), name="refuse")
        shown = await curl(*trust, "--include", *upload, f"https://localhost:{front.port}/")
        assert shown.startswith(b"HTTP/2 413")
        assert shown.endswith(b"\r\n\r\ntoo large")
