"""HTTP/3 through the whole program: `--http3` serves the same as HTTP/1.1 does."""

import asyncio
import hashlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from test.deadline import MS
from test.frontends.http2_client import get
from test.frontends.http3_client import Http3Client, configuration, connected
from test.harness import backend
from test.https import HttpsProxy
from test.loops import run
from test.pressure import save_often
from test.processes import children

SIZE_BYTES = 50 * 1024 * 1024

Visitor = Callable[[Http3Client], Coroutine[None, None, None]]


@asynccontextmanager
async def client_of(proxy: HttpsProxy) -> AsyncIterator[Http3Client]:
    asyncio.get_running_loop().set_debug(False)  # debug mode is slow
    # aioquic refuses a certificate that names *.localhost, which other clients accept.
    async with connected(proxy.port, configuration(None)) as client:
        yield client


def visit(proxy: HttpsProxy, visitor: Visitor) -> None:
    async def main() -> None:
        async with client_of(proxy) as client:
            await visitor(client)

    run(main(), uvloop.new_event_loop)


def test_backend_gets_scheme_and_version_of_http3(project: Path) -> None:
    async def ask(client: Http3Client) -> None:
        answer = await client.fetch(get("/a?b"))
        seen = json.loads(answer.body)
        fields = {name.lower(): value for name, value in seen["headers"]}
        assert seen["target"] == "/a?b"
        assert fields["forwarded"] == "for=127.0.0.1;host=localhost;proto=https"
        assert fields["x-forwarded-proto"] == "https"
        assert fields["via"].startswith("3 ")
        assert not answer.all(b"alt-svc")
        head = await client.fetch(get("/a", method=b"HEAD"))
        assert (head.status, head.size_bytes) == (200, 0)
        early = await client.fetch(get("/hints103"))
        assert [fields[0] for fields in early.interim] == [(b":status", b"103")]
        trailing = await client.fetch(get("/trailers", (b"te", b"trailers")))
        assert trailing.trailers == [(b"x-sum", b"4")]
        state = json.loads((await client.fetch(get("/_hpp/status"))).body)
        assert state["state"] == "running"

    with HttpsProxy(project, backend("echo.py"), "--http3") as proxy:
        proxy.running()
        visit(proxy, ask)


def memory_bytes(proxy: HttpsProxy) -> int:
    """The peak memory of the program; its guard and its reaper use very little."""
    return max(map(_most_bytes, children(proxy.process.pid)))


def _most_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def upload(client: Http3Client) -> None:
    body = bytes(range(256)) * (SIZE_BYTES // 256)
    length = b"content-length", b"%d" % SIZE_BYTES
    answer = await client.fetch(get("/", length, method=b"POST"), body)
    assert json.loads(answer.body)["sha256"] == hashlib.sha256(body).hexdigest()


async def download(client: Http3Client) -> None:
    client.keeps_bodies = False
    answer = await client.fetch(get(f"/download?bytes={SIZE_BYTES}"))
    assert answer.size_bytes == SIZE_BYTES


@pytest.mark.parametrize("transfer", [upload, download])
def test_transfer_of_50_mb_takes_little_memory(transfer: Visitor, project: Path) -> None:
    async def ask(client: Http3Client) -> None:
        await client.fetch()
        before = memory_bytes(proxy)
        await transfer(client)
        assert memory_bytes(proxy) - before < SIZE_BYTES / 4

    with HttpsProxy(project, backend("echo.py"), "--http3") as proxy:
        proxy.running()
        visit(proxy, ask)


def test_no_request_is_lost_over_saves(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "data" / "once.log"
    log.parent.mkdir()
    answers: Counter[int] = Counter()
    orders: Counter[int] = Counter()

    async def ask(client: Http3Client) -> None:
        saving = asyncio.get_running_loop().run_in_executor(None, save_often, proxy, 10)

        async def read() -> None:
            while not saving.done():
                answers[(await client.fetch(get("/version"))).status] += 1

        async def order(number: int) -> None:
            while not saving.done():
                answer = await client.fetch(get(f"/once?id={number}", method=b"POST"), b"x")
                assert answer.status == 200, answer.body
                orders[number] = 1
                number += 4

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(read(), name="read")
                group.create_task(order(number), name="order")
        await saving

    with HttpsProxy(project, backend("echo.py", str(log.parent)), "--http3") as proxy:
        proxy.running()
        visit(proxy, ask)
        assert Counter(map(int, log.read_text().split())) == orders
    assert set(answers) == {200}


@pytest.mark.parametrize("is_busy", [False, True])
def test_end_sends_goaway_and_takes_little_time(is_busy: bool, project: Path) -> None:
    async def ask(client: Http3Client) -> None:
        await client.fetch()
        if is_busy:
            await client.head(await client.ask(get("/sse")))
        proxy.process.send_signal(signal.SIGTERM)
        assert await client.ended() == 0x100  # H3_NO_ERROR
        assert client.goodbye is not None

    with HttpsProxy(project, backend("echo.py"), "--http3") as proxy:
        proxy.running()
        visit(proxy, ask)
        proxy.process.wait(3000 * MS)
