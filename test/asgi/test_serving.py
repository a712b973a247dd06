"""An application over each version of HTTP, asked by clients that are not ours."""

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from httpprocessproxy.asgi import serving as tested
from httpprocessproxy.asgi.interface import Receive, Scope, Send
from httpprocessproxy.asgi.serving import serving, take_place
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from test.asgi.applications import PIECE, Stage
from test.asgi.served import VERSIONS, Served, Version, served
from test.asgi.websocket_client import Client, texts
from test.front_door.http2_client import get, websocket
from test.front_door.http3_fronts import CA, write_certificate
from test.loops import eventually, on_every_loop, run, turn
from test.wire import TruncatedError, Wire

every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
@on_every_loop
async def test_the_scope(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        fields = (b"x-a", b"1"), (b"x-a", b"2")
        reply = await place.ask(version, "/%73cope?q=%20&r", *fields)
        scope = json.loads(reply.body)
    client = scope.pop("client")
    assert client[0] == "127.0.0.1"
    assert client[1] not in (0, place.port)
    scope.pop("extensions", None)
    assert [["host", place.host.decode()], ["x-a", "1"], ["x-a", "2"]] == scope.pop("headers")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version,
        "server": ["127.0.0.1", place.port],
        "scheme": "https",
        "method": "GET",
        "path": "/scope",
        "raw_path": "/%73cope",
        "query_string": "q=%20&r",
        "root_path": "",
        "state": {"pool": "a pool"},
    }


@on_every_loop
async def test_the_life_of_the_application_is_the_servers(tmp_path: Path) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        assert stage.lifespan == ["lifespan.startup"]
        for version in VERSIONS:
            assert (await place.ask(version)).status == 200
        assert stage.lifespan == ["lifespan.startup"]
    assert stage.lifespan == ["lifespan.startup", "lifespan.shutdown"]


@every_version
@on_every_loop
async def test_events(version: Version, tmp_path: Path) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        await place.ask(version, "/events-of-request", method=b"POST", body=b"body")
        await stage.has_ended.wait()
    *request, end = stage.events
    assert {event["type"] for event in request} == {"http.request"}
    assert b"".join(bytes(event["body"]) for event in request) == b"body"  # type: ignore[call-overload]
    assert end == {"type": "http.disconnect"}


@every_version
@on_every_loop
async def test_every_answer_says_where_http3_is(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        expected = [b'h3=":%d"; ma=3600' % place.port] if version != "3" else []
        for path in ("/", "/own-fields", "/raise-before", "/not-modified", "/trailers"):
            reply = await place.ask(version, path)
            assert reply.all(b"alt-svc") == expected, path
        assert not place.said


@every_version
@on_every_loop
async def test_fields(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, "/own-fields")
        assert (reply.all(b"date"), reply.all(b"x-a")) == ([b"then"], [b"1", b"2"])
        assert len((await place.ask(version)).all(b"date")) == 1


@every_version
@on_every_loop
async def test_head(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, method=b"HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.all(b"content-length")[0]) > 100


@every_version
@on_every_loop
async def test_trailers(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, "/trailers")
    # uvicorn has none, and its scope says so.
    assert (reply.body, reply.was_cut) == (b"x", False)
    assert reply.trailers == ([] if version == "1.1" else [(b"a", b"b")])


@every_version
@pytest.mark.parametrize("path", ["/raise-before", "/return-before", "/exit"])
@on_every_loop
async def test_a_failure_before_the_answer(version: Version, path: str, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, path)
        assert (reply.status, reply.body) == (500, b"Internal Server Error")
        assert (await place.ask(version)).status == 200


@every_version
@pytest.mark.parametrize("path", ["/raise-after", "/return-after", "/too-short"])
@on_every_loop
async def test_a_failure_after_its_beginning(version: Version, path: str, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, path)
        assert reply.was_cut
        assert reply.status in (0, 200)
        assert (await place.ask(version)).status == 200


@on_every_loop
async def test_a_failure_has_the_code_for_it(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        second, third = await place.http2(), await place.http3()
        assert await second.was_reset(await second.ask(get("/raise-after"))) == 2  # INTERNAL_ERROR
        assert await third.was_reset(await third.ask(get("/raise-after"))) == 0x102


@every_version
@on_every_loop
async def test_a_client_that_leaves(version: Version, tmp_path: Path) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        if version == "1.1":
            wire = await place.http1()
            wire.send(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await eventually(lambda: bool(stage.events))
            wire.socket.close()
        elif version == "2":
            second = await place.http2()
            stream_id = await second.ask(get("/wait"))
            await eventually(lambda: bool(stage.events))
            second.state.reset_stream(stream_id)
            await second.flush()
        else:
            third = await place.http3()
            stream_id = await third.ask(get("/wait"))
            await eventually(lambda: bool(stage.events))
            third.cancel(stream_id)
        await stage.has_ended.wait()
    assert stage.events[-1] == {"type": "http.disconnect"}


@on_every_loop
async def test_an_answer_that_does_not_wait_for_the_request(tmp_path: Path) -> None:
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
async def test_bodies_both_ways(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        body = PIECE * 4
        reply = await place.ask(version, "/echo", method=b"POST", body=body)
        assert reply.body == body


async def settled(look: Callable[[], int]) -> int:
    """Wait until a figure is above 0, and has stayed the same for a while."""
    last, same = 0, 0
    while not last or same < 50:
        await turn()
        now = look()
        last, same = now, same + 1 if now == last else 0
    return last


@every_version
@on_every_loop
async def test_the_application_waits_for_a_slow_client(version: Version, tmp_path: Path) -> None:
    stage = Stage()
    count = 32 if version == "3" else 256  # of 64 KiB; the kernel's buffers take some of TCP's
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
async def test_the_client_waits_for_a_slow_application(version: Version, tmp_path: Path) -> None:
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
async def test_an_upload_over_http1_waits_for_a_slow_application(tmp_path: Path) -> None:
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
async def test_httpx_over_http2(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("version", ["1.1", "2"])
@on_every_loop
async def test_a_websocket(version: Version, tmp_path: Path) -> None:
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


Ask = Callable[[], Awaitable[str]]
Say = Callable[[str], Awaitable[None]]


@contextlib.asynccontextmanager
async def _websocket(place: Served, version: Version) -> AsyncIterator[tuple[Ask, Say]]:
    """A WebSocket that the client closes in the end, with 4001."""
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
async def test_a_websocket_that_is_none(
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


@every_version
@on_every_loop
async def test_what_is_under_way_at_the_end(
    version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "GOODBYE_S", 0.05)
    stage = Stage()
    async with contextlib.AsyncExitStack() as clients:
        async with served(stage, tmp_path, clients) as place:
            if version == "1.1":
                first = await place.http1()
                first.send(b"GET /stay HTTP/1.1\r\nHost: localhost\r\n\r\n")
            else:
                other = await (place.http2() if version == "2" else place.http3())
                stream_id = await other.ask(get("/stay"))
                await other.head(stream_id)
            await stage.go_on.wait()
        if version == "1.1":
            with pytest.raises(TruncatedError):
                await asyncio.to_thread(first.response)
        else:
            await other.ended()
            assert not other.answers[stream_id].has_ended
    assert stage.has_ended.is_set()
    assert stage.lifespan == ["lifespan.startup", "lifespan.shutdown"]


@on_every_loop
async def test_plain_http_is_sent_to_https(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await asyncio.to_thread(Wire.connect, place.port)
        with contextlib.closing(wire.socket):
            wire.send(b"GET /a?b HTTP/1.1\r\nHost: " + place.host + b"\r\n\r\n")
            message = await asyncio.to_thread(wire.response)
        assert message.status == 308
        assert message.get(b"Location") == b"https://" + place.host + b"/a?b"


@on_every_loop
async def test_without_udp_nothing_leads_to_it(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    place = take_place(Address("127.0.0.1", 0), tmp_path / "cert.pem", tmp_path / "key.pem")
    said: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", place.address.port))
        async with contextlib.AsyncExitStack() as stack, serving(Stage(), place, said.append):
            reply = await Served(place.address.port, said, stack).ask("1.1")
    assert (reply.status, reply.all(b"alt-svc")) == (200, [])
    (line,) = said
    assert line.startswith(f"without HTTP/3: UDP port {place.address.port} is in use")


@on_every_loop
async def test_without_aioquic_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("aioquic")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "httpprocessproxy.front_door.http3", raising=False)
    async with served(Stage(), tmp_path) as place:
        assert (await place.ask("2")).all(b"alt-svc") == []
        (line,) = place.said
    assert "pip install 'http-process-proxy[http3]'" in line


def test_an_application_that_does_not_start(tmp_path: Path) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def main() -> None:
        with pytest.raises(UserError, match="no database"):
            async with served(application, tmp_path):
                raise AssertionError("it has not started")

    run(main())


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("localhost", 70000, "port"), ("localhost", -1, "not an address"), ("a b", 1, "not an")],
)
def test_what_is_no_place(host: str, port: int, reason: str, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with pytest.raises(UserError, match=reason):
        take_place(Address(host, port), tmp_path / "cert.pem", tmp_path / "key.pem")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UserError, match=rf"^{address} is in use"):
            take_place(address, tmp_path / "cert.pem", tmp_path / "key.pem")
