"""WebSockets over HTTP/1.1 and HTTP/2, and handshakes that the application denies."""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from test.asgi.applications import Stage
from test.asgi.served import Served, Version, served
from test.asgi.websocket_client import Client, texts
from test.frontends.http2_client import websocket
from test.frontends.http3_fronts import CA
from test.loops import on_every_loop

Ask = Callable[[], Awaitable[str]]
Say = Callable[[str], Awaitable[None]]


@pytest.mark.parametrize("version", ["1.1", "2"])
@on_every_loop
async def test_websocket_echoes_and_closes_with_the_clients_code(
    version: Version, tmp_path: Path
) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        async with _websocket(place, version) as (ask, say):
            scope = json.loads(await ask())
            assert (scope["type"], scope["scheme"]) == ("websocket", "wss")
            assert (scope["http_version"], scope["path"]) == (version, "/socket")
            assert (scope["query_string"], scope["subprotocols"]) == ("q", ["a", "b"])
            assert scope["server"] == ["127.0.0.1", place.port]
            assert scope["state"] == {"pool": "a pool"}
            for text in ("hello", "x" * 100_000):
                await say(text)
                assert await ask() == text
        await stage.has_ended.wait()
    assert stage.events[-1]["code"] == 4001


@contextlib.asynccontextmanager
async def _websocket(place: Served, version: Version) -> AsyncIterator[tuple[Ask, Say]]:
    """Open a WebSocket, yield its receive and send, and close it with 4001."""
    if version == "1.1":
        context = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
        url = f"wss://localhost:{place.port}/socket?q"
        names = [Subprotocol("a"), Subprotocol("b")]
        async with connect(url, ssl=context, subprotocols=names, proxy=None) as first:
            assert first.response is not None
            assert first.response.headers["Alt-Svc"] == f'h3=":{place.port}"; ma=3600'

            async def recv() -> str:
                return str(await first.recv())

            yield recv, first.send
            await first.close(4001)
        return
    second = await place.http2()
    await second.fetch_settings()
    fields = websocket("/socket?q", (b"sec-websocket-protocol", b"a, b"))
    stream_id = await second.ask(fields, None)
    answer = await second.head(stream_id)
    assert answer.status == 200
    client = Client()
    waiting: list[str] = []

    async def hear() -> str:
        while not waiting:
            waiting.extend(texts(client.fed(await second.body(stream_id, 1))))
        return waiting.pop(0)

    async def say(text: str) -> None:
        await second.upload(stream_id, client.text(text))

    yield hear, say
    await second.upload(stream_id, client.closing(4001), end=True)
    await second.answer(stream_id)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/refusing", 403, b""),
        ("/denying", 401, b"who?"),
        ("/raise-before", 500, b"Internal Server Error"),
    ],
)
@on_every_loop
async def test_denied_websocket_gets_the_response_of_the_application(
    path: str, status: int, body: bytes, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as clients, served(Stage(), tmp_path, clients) as place:
        alt_svc = b'h3=":%d"; ma=3600' % place.port
        fields = (
            *((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")),
            *((b"Sec-WebSocket-Key", b"A" * 22 + b"=="), (b"Sec-WebSocket-Version", b"13")),
        )
        reply = await place.ask("1.1", path, *fields)
        assert (reply.status, reply.body, reply.all(b"alt-svc")) == (status, body, [alt_svc])
        second = await place.http2()
        await second.fetch_settings()
        answer = await second.answer(await second.ask(websocket(path), None))
        assert (answer.status, bytes(answer.body)) == (status, body)
        assert answer.all(b"alt-svc") == [alt_svc]
