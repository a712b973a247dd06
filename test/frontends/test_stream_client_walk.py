"""Random walks of all clients, a backend and restarts: contracts hold, and nothing is left.

`RecordingStream` checks the calls of the data plane; the bench checks its end.
"""

import asyncio
import base64
import contextlib
import hashlib
import random
import socket
from collections.abc import Callable

import pytest

from httpprocessproxy.frontends.stream_client import StreamClient
from test.fakes import ENDED, OK, Peer, get, post
from test.frontends.ends import RecordingStream
from test.frontends.stream_clients import Streams, asked, streaming
from test.loops import eventually, on_every_loop, turn

STEPS = 150
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = (
    *(OK, OK, OK, CHUNKED, b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"),
    *(b"HTTP/1.1 103 X\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc"),
    *(b"HTTP/1.1 204 X\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nabc", b"HTTP/1.1 2", b"nonsense\r\n\r\n"),
    *(b"HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", b"x" * 100_000),
)
# Requests of clients of HTTP/1.1, and parts of requests.
REQUESTS = (
    *(get(), get(), get() + get("/b"), get()[:9], post(b"abc"), post(b"abc", length=6), b"def"),
    *(post(b"", "/", "Connection: close"), b"nonsense\r\n\r\n", get("/_hpp/status")),
    get("/", "Connection: Upgrade", "Upgrade: websocket", "sec-websocket-key: a"),
)


class Walk:
    """The open streams and connections of a walk, and its steps."""

    def __init__(self, streams: Streams, choose: random.Random) -> None:
        self._streams = streams
        self._choose = choose
        self._open: dict[StreamClient, RecordingStream] = {}
        self._paused: set[StreamClient] = set()
        self._peers: list[Peer] = []
        self._clients: list[Peer] = []
        self._is_held = False

    async def step(self) -> None:
        steps: list[Callable[[], None]] = [
            *(self._begin, self._begin, self._body, self._body, self._end, self._end),
            *(self._reset, self._regulate, self._regulate),
            *(self._answer, self._answer, self._answer, self._answer, self._switch),
            *(self._close, self._save, self._sweep),
            *(self._connect, self._request, self._request, self._leave),
        ]
        self._choose.choice(steps)()
        self._accept()
        if self._choose.random() < 0.6:
            await turn()
            for peer in self._peers + self._clients:
                self._receive(peer)

    def _begin(self) -> None:
        method = self._choose.choice((b"GET", b"GET", b"POST", b"CONNECT"))
        fields = [(b"content-length", b"5")] if self._choose.random() < 0.2 else []
        if method == b"CONNECT":
            head = asked(method, protocol=b"websocket")
        else:
            head = asked(method, fields)
        client, stream = self._streams.begin(head)
        self._open[client] = stream

    def _any(self) -> tuple[StreamClient, RecordingStream] | None:
        """Return a stream whose client has not ended it, and that was not reset."""
        for client in [client for client, stream in self._open.items() if stream.why is not None]:
            del self._open[client]
        return self._choose.choice(list(self._open.items())) if self._open else None

    def _body(self) -> None:
        if (one := self._any()) is not None and one[1].is_reading:
            one[0].body(b"x" * self._choose.choice((1, 5, 40_000)))

    def _end(self) -> None:
        if (one := self._any()) is not None:
            del self._open[one[0]]
            if one[1].is_reading:
                one[0].end([(b"x", b"y")] if self._choose.random() < 0.2 else ())

    def _reset(self) -> None:
        if (one := self._any()) is not None:
            del self._open[one[0]]
            one[0].reset()

    def _regulate(self) -> None:
        if (one := self._any()) is not None and not one[1].is_over:
            if one[0] in self._paused:
                self._paused.discard(one[0])
                one[0].resume()
            elif one[1].status:
                self._paused.add(one[0])
                one[0].pause()

    # Clients of HTTP/1.1

    def _connect(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self._streams.bench.port))
        self._clients.append(Peer(connection))

    def _request(self) -> None:
        if self._clients:
            with contextlib.suppress(OSError):
                self._choose.choice(self._clients).send_some(self._choose.choice(REQUESTS))

    def _leave(self) -> None:
        if self._clients:
            client = self._choose.choice(self._clients)
            way = self._choose.choice((client.close, client.reset, client.finish))
            if way != client.finish:
                self._clients.remove(client)
            with contextlib.suppress(OSError):
                way()

    # The backend

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._streams.backend.socket.accept()
                self._peers.append(Peer(connection))

    def _receive(self, peer: Peer) -> None:
        with contextlib.suppress(OSError):
            peer.unread += peer.socket.recv(2**20)

    def _answer(self) -> None:
        if self._peers:
            with contextlib.suppress(OSError):
                self._choose.choice(self._peers).send_some(self._choose.choice(PIECES))

    def _switch(self) -> None:
        for peer in self._peers:
            key = peer.unread.partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
            if key:
                digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
                peer.unread = b""
                with contextlib.suppress(OSError):
                    peer.send_some(
                        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Accept: %b\r\n\r\n\x81\x01a" % base64.b64encode(digest)
                    )

    def _close(self) -> None:
        if self._peers:
            peer = self._peers.pop(self._choose.randrange(len(self._peers)))
            self._choose.choice((peer.close, peer.reset))()

    # Restarts

    def _save(self) -> None:
        bench = self._streams.bench
        if self._is_held:
            bench.start()
        elif self._choose.random() < 0.2:
            bench.gate.refuse(lambda: ENDED)
            bench.end_generation()
        else:
            bench.stop()
        self._is_held = not self._is_held

    def _sweep(self) -> None:
        context = self._streams.bench.proxy_server.context
        later = 7200 if self._choose.random() < 0.1 else 0
        for client in list(context.clients):
            client.sweep(context.loop.time() + later, 4, 3600)

    def close(self) -> None:
        for peer in self._peers + self._clients:
            peer.close()


@pytest.mark.parametrize("seed", range(8))
@on_every_loop
async def test_random_walk_keeps_all_contracts_and_leaves_nothing(seed: int) -> None:
    async with streaming() as streams:
        walk = Walk(streams, random.Random(seed))
        for _ in range(STEPS):
            await walk.step()
        streams.reset()
        walk.close()
        context = streams.bench.proxy_server.context
        await eventually(lambda: not (context.clients or context.tunnels))
        assert streams.bench.gate.held == 0
        await asyncio.sleep(0)
