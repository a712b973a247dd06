"""The reuse of connections to the server, tested with a fake server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.relay.pipe import BytesSource
from httpprocessproxy.companions.share.worker import connections
from httpprocessproxy.companions.share.worker.connections import MAX_IDLE
from httpprocessproxy.companions.share.worker.local import LocalClient, LocalError
from httpprocessproxy.config import Address
from test.deadline import PATIENCE_S
from test.loops import eventually, on_every_loop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with the next of its answers, and repeats the last one.

    `ends` has the server's ends of all connections, `requests` the number of requests on each.
    `hangs_up`: the server closes a connection on which a second request has arrived.
    """

    def __init__(self, *answers: bytes) -> None:
        self.ends: list[asyncio.StreamWriter] = []
        self.requests: list[int] = []
        self.hangs_up = False
        self.open = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.ends)
        self.ends.append(writer)
        self.requests.append(0)
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests[number] += 1
                if b"Content-Length: 2" in head:
                    await reader.readexactly(2)
                await self.may_answer.wait()
                if self.hangs_up and self.requests[number] > 1:
                    break
                writer.write(self._answers[0])
                if len(self._answers) > 1:
                    del self._answers[0]
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


class Visitor:
    """Sends visits through one `LocalClient`."""

    def __init__(self, local: LocalClient) -> None:
        self._local = local

    async def get(self, method: str = "GET", body: bytes = b"") -> bytes:
        """The body of the answer. Raises LocalError."""
        fields = [("Host", "h"), *[("Content-Length", str(len(body)))] * bool(body)]
        visit = VisitHead("id", method, "/", "", fields)
        async with asyncio.TaskGroup() as tasks:
            exchange = self._local.exchange(tasks, visit, BytesSource(body), is_tunnel=False)
            try:
                async with exchange as answer:
                    pieces = []
                    while piece := await answer.body.receive():
                        pieces.append(piece)
                    return b"".join(pieces)
            except LocalError as error:
                reason = error
        raise reason


@asynccontextmanager
async def visited(server: Server) -> AsyncIterator[Visitor]:
    async with asyncio.timeout(PATIENCE_S):
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            address = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
            with closing(LocalClient(address)) as local:
                yield Visitor(local)
            await eventually(lambda: not server.open)


@on_every_loop
async def test_get_requests_reuse_one_connection() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(3)] == [b"ok"] * 3
    assert server.requests == [3]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@on_every_loop
async def test_unsafe_request_gets_a_new_connection(method: str) -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        await visitor.get(method)
        await visitor.get(method, b"hi")
        # The connection of an unsafe request is reused afterwards.
        assert [await visitor.get() for _ in range(2)] == [b"ok"] * 2
    assert sorted(server.requests) == [1, 1, 3]


class OneByOne(Server):
    """Serves one connection at a time."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__(*answers)
        self._alone = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._alone:
            await super().serve(reader, writer)


@on_every_loop
async def test_idle_connection_does_not_block_a_single_threaded_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 2 * PATIENCE_S)
    server = OneByOne(OK)
    async with visited(server) as visitor:
        for method in ("GET", "POST", "POST", "GET"):
            assert await visitor.get(method) == b"ok"


@on_every_loop
async def test_request_with_a_body_gets_a_new_connection() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        await visitor.get(body=b"hi")
    assert server.requests == [1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: x, Close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["closes", "is old", "says more"],
)
@on_every_loop
async def test_connection_is_not_reused_after_close_http_1_0_or_excess_bytes(answer: bytes) -> None:
    server = Server(answer)
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(2)] == [b"ok"] * 2
    assert server.requests == [1, 1]


@on_every_loop
async def test_connection_is_not_reused_when_the_response_was_not_read() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        visit = VisitHead("id", "GET", "/", "", [("Host", "h")])
        async with asyncio.TaskGroup() as tasks:
            exchange = visitor._local.exchange(tasks, visit, BytesSource(b""), is_tunnel=False)
            async with exchange as answer:
                assert answer.head.status == 200
        await visitor.get()
    assert server.requests == [1, 1]


async def close(end: asyncio.StreamWriter) -> None:
    end.close()
    await end.wait_closed()


async def speak(end: asyncio.StreamWriter) -> None:
    end.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    await end.drain()


@pytest.mark.parametrize("happens", [close, speak])
@on_every_loop
async def test_idle_connection_with_bytes_or_close_is_not_reused(
    happens: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        kept = visitor._local._connections._idle[0][1]
        await happens(server.ends[0])
        await eventually(lambda: not kept.is_idle)
        assert await visitor.get() == b"ok"
    assert server.requests == [1, 1]


@on_every_loop
async def test_request_is_repeated_when_reused_connection_closes_without_a_byte() -> None:
    server = Server(OK)
    server.hangs_up = True
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(3)] == [b"ok"] * 3
    assert server.requests == [2, 2, 1]


@on_every_loop
async def test_request_is_not_repeated_when_reused_connection_closes_in_the_head() -> None:
    server = Server(OK, b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1")
    async with visited(server) as visitor:
        await visitor.get()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(refused(visitor), name="visit")
            await eventually(lambda: server.requests == [2])
            server.ends[0].close()
        assert "without an answer" in asking.result()
    assert server.requests == [2]


async def refused(visitor: Visitor) -> str:
    with pytest.raises(LocalError) as caught:
        await visitor.get()
    return str(caught.value)


@on_every_loop
async def test_request_is_not_repeated_when_new_connection_closes() -> None:
    server = Server(b"")
    async with visited(server) as visitor, asyncio.TaskGroup() as tasks:
        tasks.create_task(refused(visitor), name="visit")
        await eventually(lambda: server.requests == [1])
        server.ends[0].close()
    assert server.requests == [1]


@on_every_loop
async def test_idle_connections_are_limited() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        server.may_answer.clear()
        async with asyncio.TaskGroup() as tasks:
            for number in range(MAX_IDLE + 3):
                tasks.create_task(visitor.get(), name=f"visit {number}")
            await eventually(lambda: len(server.ends) == MAX_IDLE + 3)
            server.may_answer.set()
        await eventually(lambda: server.open == MAX_IDLE)


@on_every_loop
async def test_idle_connection_is_closed_after_idle_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 0.05)
    server = Server(OK)
    async with visited(server) as visitor:
        for _ in range(2):
            await visitor.get()
            await eventually(lambda: not server.open)
    assert server.requests == [1, 1]


@on_every_loop
async def test_close_ends_idle_connections() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        visitor._local.close()
        await eventually(lambda: not server.open)
