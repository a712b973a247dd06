"""The fence for a stream over HTTP/2 and HTTP/3, while another stream of it is in flight."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import uvloop

from test.frontends.http2_client import Answer, Http2Client, get
from test.frontends.http3_client import configuration, connected
from test.frontends.versions import Client
from test.harness import backend
from test.https import HttpsProxy
from test.loops import run

SAVES = 20
MIB = 2**20

# About 2 s at the server's rate; a restart takes a fraction of that.
DOWNLOAD_BYTES = 4 * MIB
DOWNLOAD = f"/download?bytes={DOWNLOAD_BYTES}&ms=30"

Connect = Callable[[HttpsProxy], AbstractAsyncContextManager[Client]]


@contextlib.asynccontextmanager
async def over_http2(proxy: HttpsProxy) -> AsyncIterator[Client]:
    client = await Http2Client.connect(proxy.port, proxy.context("h2"), 8 * MIB)
    client.state.increment_flow_control_window(8 * MIB)
    try:
        yield client
    finally:
        client.close()


@contextlib.asynccontextmanager
async def over_http3(proxy: HttpsProxy) -> AsyncIterator[Client]:
    async with connected(proxy.port, configuration(None)) as client:
        yield client


every_version = pytest.mark.parametrize(
    "connect", [over_http2, over_http3], ids=["HTTP/2", "HTTP/3"]
)


def started(project: Path, *options: str) -> HttpsProxy:
    (project / "version").write_text("0")
    return HttpsProxy(project, backend("echo.py"), "--http3", *options)


def generation(answer: Answer) -> int:
    return int(answer.all(b"hpp-generation")[0])


def save(proxy: HttpsProxy, number: int) -> None:
    """Save the file of the version, sometimes after other files, one of them in a new folder."""
    if number % 3 == 0:
        folder = proxy.project / f"new-{number}"
        folder.mkdir()
        (folder / "a.py").write_text(str(number))
    proxy.save("version", str(number), by=("write", "rename")[number % 2])


@every_version
@pytest.mark.parametrize(
    ("watcher", "field"),
    # A polling watcher detects changes late, so a request asks for the fence by a field.
    [("embedded", ()), ("polling", ((b"hpp-sync", b"1"),))],
    ids=["embedded", "polling"],
)
def test_stream_opened_after_a_save_is_answered_by_its_code(
    watcher: str, field: tuple[tuple[bytes, bytes], ...], connect: Connect, project: Path
) -> None:
    async def ask() -> None:
        async with connect(proxy) as client:
            last = generation(await client.fetch(get("/version")))
            for number in range(1, SAVES + 1):
                save(proxy, number)
                several = [await client.ask(get("/version", *field)) for _ in range(1 + number % 3)]
                for stream_id in several:
                    answer = await client.answer(stream_id)
                    assert (answer.status, answer.body.decode()) == (200, str(number))
                    assert generation(answer) > last
                last = generation(answer)

    with started(project, "--watcher", watcher) as proxy:
        proxy.running()
        run(ask(), uvloop.new_event_loop)


@every_version
@pytest.mark.parametrize("body", [b"", b"x"], ids=["GET", "POST"])
def test_download_goes_on_beside_a_stream_that_waits_for_a_save(
    body: bytes, connect: Connect, project: Path
) -> None:
    async def ask() -> None:
        async with connect(proxy) as client:
            download = await client.ask(get(DOWNLOAD))
            head = await client.head(download)
            proxy.save("version", "1")
            fields = get("/version", method=b"POST" if body else b"GET")
            waiting = await client.ask(fields, body)
            own = await client.fetch(get("/_hpp/status"))
            assert own.status == 200
            assert not head.has_ended, "the response must come during the download"
            answer = await client.answer(waiting)
            assert (answer.status, bytes(answer.body)) == (200, b"1")
            # The server was stopped only after it had sent all of the download.
            assert (await client.answer(download)).size_bytes == DOWNLOAD_BYTES
            assert generation(answer) == generation(head) + 1

    with started(project, "--drain", "15") as proxy:
        proxy.running()
        run(ask(), uvloop.new_event_loop)
