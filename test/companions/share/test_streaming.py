"""The streaming transport through real processes: size, memory, events, WebSockets, lost links."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import ClientConnection, connect

from test.companions.share.conftest import fresh
from test.companions.share.relays import Relay, host_of, request, write_tokens
from test.companions.share.workers import Worker, serving, shared
from test.deadline import MS, PATIENCE_S, eventually

MB = 1024 * 1024
PIECE = bytes(range(256)) * 256


@pytest.fixture(scope="module")
def streaming(public_relay: Relay) -> Iterator[Worker]:
    with shared(public_relay, fresh()) as worker:
        worker.wait_line("connected, streaming")
        yield worker


class Peak:
    """The largest growth of either process's memory since the start, in bytes."""

    def __init__(self, relay: Relay, worker: Worker) -> None:
        self._ends = (relay, worker)
        self._first = [end.memory_bytes() for end in self._ends]
        self.grown_bytes = 0

    def look(self) -> None:
        now = [end.memory_bytes() for end in self._ends]
        grown = [after - before for after, before in zip(now, self._first, strict=True)]
        self.grown_bytes = max(self.grown_bytes, *grown)


def download(relay: Relay, name: str, size_bytes: int, peak: Peak) -> None:
    with relay.connect() as wire:
        wire.send(request(f"/download?bytes={size_bytes}", host_of(name)))
        head = wire.head()
        assert head.get(b"content-length") == str(size_bytes).encode()
        digest, expected = hashlib.sha256(wire.unread), hashlib.sha256()
        left = size_bytes - len(wire.unread)
        while left:
            data = wire.socket.recv(1 << 20)
            assert data, "the download was cut"
            digest.update(data)
            left -= len(data)
            peak.look()
        for at in range(0, size_bytes, len(PIECE)):
            expected.update(PIECE[: size_bytes - at])
        assert digest.digest() == expected.digest()


def upload(relay: Relay, name: str, size_bytes: int, peak: Peak) -> None:
    piece, digest = PIECE * 16, hashlib.sha256()
    with relay.connect() as wire:
        length = str(size_bytes)
        wire.send(request("/", host_of(name), "POST", Content_Length=length))
        for at in range(0, size_bytes, len(piece)):
            part = piece[: size_bytes - at]
            digest.update(part)
            wire.send(part)
            peak.look()
        assert digest.hexdigest().encode() in wire.response().body


# 1 GB each way takes a minute on two slow cores; memory that grows with the size shows at 100 MB.
@pytest.mark.parametrize("size_bytes", [100 * MB, pytest.param(1000 * MB, marks=pytest.mark.slow)])
def test_bodies_pass_within_32_mb_of_memory(
    public_relay: Relay, streaming: Worker, size_bytes: int
) -> None:
    peak = Peak(public_relay, streaming)
    download(public_relay, streaming.name, size_bytes, peak)
    upload(public_relay, streaming.name, size_bytes, peak)
    assert peak.grown_bytes < 32 * MB


def test_slow_visitor_does_not_fill_memory(public_relay: Relay, streaming: Worker) -> None:
    peak = Peak(public_relay, streaming)
    with public_relay.connect() as wire:
        wire.send(request(f"/download?bytes={400 * MB}", host_of(streaming.name)))
        assert wire.head().status == 200
        for _ in range(20):
            public_relay.get("/", host_of(streaming.name))
            peak.look()
    assert peak.grown_bytes < 32 * MB


def test_server_sent_events_arrive_without_delay(public_relay: Relay, streaming: Worker) -> None:
    """A hundred events, 5 ms apart: none is delayed until the next one."""
    gaps = []
    with public_relay.connect() as wire:
        wire.send(request("/sse?ms=5&events=100", host_of(streaming.name)))
        assert wire.head().status == 200
        before = time.monotonic()
        for number in range(100):
            wire.until(b"data: %d\n\n" % number)
            now = time.monotonic()
            gaps.append(now - before)
            before = now
    assert sorted(gaps)[50] < 20 * MS
    assert max(gaps) < 2000 * MS


def test_server_sent_events_arrive_while_a_download_fills_the_link(
    public_relay: Relay, streaming: Worker
) -> None:
    peak = Peak(public_relay, streaming)
    arguments = (public_relay, streaming.name, 100 * MB, peak)
    loading = threading.Thread(target=download, args=arguments, name="download")
    with public_relay.connect() as wire:
        wire.send(request("/sse?ms=5", host_of(streaming.name)))
        assert wire.head().status == 200
        loading.start()
        longest = 0.0
        while loading.is_alive():
            before = time.monotonic()
            wire.until(b"\n\n")
            longest = max(longest, time.monotonic() - before)
    loading.join(PATIENCE_S)
    assert longest < 1000 * MS


def test_request_to_server_ends_when_visitor_leaves(public_relay: Relay, streaming: Worker) -> None:
    with public_relay.connect() as wire:
        wire.send(request("/sse?ms=5", host_of(streaming.name)))
        wire.until(b"data: 3\n\n")
    streaming.wait_line(r"GET /sse\?ms=5 200")


def test_hundred_concurrent_websockets_echo_messages_and_close(
    public_relay: Relay, site: str
) -> None:
    async def talk(connection: ClientConnection, number: int) -> None:
        for message in (f"hello {number}", "x" * 100_000, ""):
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(b"\0\xff" * 10)
        assert await connection.recv() == b"\0\xff" * 10

    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            opens = [
                tasks.create_task(opened(), name=f"websocket {number}") for number in range(100)
            ]
        connections = [one.result() for one in opens]
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            for number, connection in enumerate(connections):
                tasks.create_task(talk(connection, number), name=f"talk {number}")
        await connections[0].send("close 4001")
        await connections[0].wait_closed()
        assert (connections[0].close_code, connections[0].close_reason) == (4001, "as asked")
        for connection in connections:
            await connection.close()

    async def opened() -> ClientConnection:
        port = public_relay.port
        url = f"ws://{host_of(site)}:{port}/"
        return await connect(url, host="127.0.0.1", port=port, compression=None, max_size=None)

    with shared(public_relay, site, to="websocket_echo.py"):
        asyncio.run(main())


def test_response_passes_when_server_refuses_the_upgrade(
    public_relay: Relay, streaming: Worker
) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    answer = public_relay.get("/a", host_of(streaming.name), "GET", b"", **upgrade)
    assert answer.status == 200


def test_visit_gets_502_when_link_is_lost_and_queued_visit_gets_the_next_link(
    public_relay: Relay, site: str
) -> None:
    with serving() as port:
        with Worker(public_relay, site, port) as worker, public_relay.connect() as wire:
            worker.connected()
            wire.send(request("/hang", host_of(site), "POST", b"x"))
            eventually(lambda: public_relay.level("visits_in_progress") >= 1)
            public_relay.get("/", host_of(site))
            worker.kill()
            assert wire.response(b"POST").status == 502
        with public_relay.connect() as wire:
            wire.send(request("/after", host_of(site)))
            with Worker(public_relay, site, port):
                assert wire.response().status == 200


def test_removed_token_ends_the_link(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tokens = write_tokens(tmp_path_factory.mktemp("relay") / "tokens", "site", "other")
    with serving() as port, Relay(tokens) as relay, Worker(relay, "site", port) as worker:
        worker.connected()
        write_tokens(tokens, "other")
        worker.wait_line("the token is wrong, or the name is already taken")
        assert worker.process.wait(PATIENCE_S) == 1


def test_worker_reconnects_when_relay_restarts(tmp_path_factory: pytest.TempPathFactory) -> None:
    tokens = write_tokens(tmp_path_factory.mktemp("relay") / "tokens", "site")
    with serving() as port, Relay(tokens) as first, Worker(first, "site", port) as worker:
        worker.connected()
        first.stop()
        worker.wait_line("does not answer")
        second = Relay(tokens)
        second.arguments[3] = f"127.0.0.1:{first.port}"
        with second:
            worker.wait_line("is back, streaming")
            assert second.get("/", host_of("site")).status == 200
