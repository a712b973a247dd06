"""Bodies over each version of HTTP: streaming and back-pressure."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from test.asgi.applications import PIECE, Stage
from test.asgi.served import VERSIONS, Version, served
from test.frontends.http2_client import get
from test.frontends.http3_fronts import CA
from test.loops import on_every_loop, turn

every_version = pytest.mark.parametrize("version", VERSIONS)


@on_every_loop
async def test_response_before_the_request_body_reaches_the_client(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        first, second, third = await place.http1(), await place.http2(), await place.http3()
        first.send(b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert (await asyncio.to_thread(first.response)).body == b"enough"
        in_second = await second.ask(get("/early", method=b"POST"), None)
        assert bytes((await second.answer(in_second)).body) == b"enough"
        in_third = await third.ask(get("/early", method=b"POST"), None)
        assert bytes((await third.answer(in_third)).body) == b"enough"
        assert await third.was_stopped(in_third) == 0x100  # H3_NO_ERROR


@every_version
@on_every_loop
async def test_echoed_body_arrives_whole(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        body = PIECE * 4
        reply = await place.ask(version, "/echo", method=b"POST", body=body)
        assert reply.body == body


async def settled(look: Callable[[], int]) -> int:
    """Wait until `look()` is above 0 and has not changed for 50 turns; return it."""
    last, same = 0, 0
    while not last or same < 50:
        await turn()
        now = look()
        last, same = now, same + 1 if now == last else 0
    return last


@every_version
@on_every_loop
async def test_application_waits_for_a_slow_client(version: Version, tmp_path: Path) -> None:
    stage = Stage()
    count = 32 if version == "3" else 256  # of 64 KiB; TCP needs more, as the kernel buffers some
    target = f"/download?{count}"
    async with served(stage, tmp_path) as place:
        if version == "1.1":
            wire = await place.http1()
            wire.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            sent_bytes = await settled(lambda: stage.sent_bytes)
            body = (await asyncio.to_thread(wire.response)).body
        elif version == "2":
            second = await place.http2()
            stream_id = await second.ask(get(target))
            sent_bytes = await settled(lambda: stage.sent_bytes)
            body = bytes((await second.answer(stream_id)).body)
        else:
            third = await place.http3()
            stream_id = await third.ask(get(target))
            third.deaf = True
            sent_bytes = await settled(lambda: stage.sent_bytes)
            third.deaf = False
            body = bytes((await third.answer(stream_id)).body)
    assert sent_bytes < len(body) * 3 / 4
    assert body == PIECE * count


@pytest.mark.parametrize("version", ["2", "3"])
@on_every_loop
async def test_client_waits_for_a_slow_application(version: Version, tmp_path: Path) -> None:
    stage, body = Stage(), PIECE * 64  # 4 MiB
    async with served(stage, tmp_path) as place, asyncio.TaskGroup() as group:
        client = await (place.http2() if version == "2" else place.http3())
        stream_id = await client.ask(get("/upload", method=b"POST"), None)
        task = group.create_task(client.upload(stream_id, body, end=True), name="upload")
        for _ in range(100):
            await turn()
        assert not task.done(), "more than any window has been taken"
        assert stage.taken_bytes == 0
        stage.go_on.set()
        await task
        answer = await client.answer(stream_id)
        assert bytes(answer.body) == hashlib.sha256(body).hexdigest().encode()


@on_every_loop
async def test_upload_over_http1_waits_for_a_slow_application(tmp_path: Path) -> None:
    stage, size = Stage(), 64 * 1024 * 1024
    async with served(stage, tmp_path) as place:
        wire = await place.http1()
        head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        wire.send(head.encode())
        sent_bytes = await asyncio.to_thread(wire.fill, size)
        assert sent_bytes < 16 * 1024 * 1024
        stage.go_on.set()
        await asyncio.to_thread(wire.send, b"x" * (size - sent_bytes))
        message = await asyncio.to_thread(wire.response)
        assert message.body == hashlib.sha256(b"x" * size).hexdigest().encode()


@on_every_loop
async def test_httpx_posts_concurrently_over_http2(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        context = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
        async with (
            httpx.AsyncClient(http2=True, verify=context, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            url = f"https://localhost:{place.port}/echo"
            tasks = [
                group.create_task(client.post(url, content=bytes([n]) * 70_000), name=f"post {n}")
                for n in range(20)
            ]
        for number, task in enumerate(tasks):
            assert task.result().http_version == "HTTP/2"
            assert task.result().content == bytes([number]) * 70_000
