"""Which visits share a connection to the server, against a server that the test plays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.relay.pipe import BytesSource
from httpprocessproxy.companions.share.worker import connections
from httpprocessproxy.companions.share.worker.connections import MAX_KEPT
from httpprocessproxy.companions.share.worker.local import Local, LocalError
from httpprocessproxy.config import Address
from test.deadline import PATIENCE_S
from test.loops import eventually, on_every_loop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with the next of its answers, the last one again and again.

    `ends` has the server's ends of all connections, `requests` the number of each one's requests.
    `hangs_up`: it closes a connection when a second request has come on it.
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
    """Visits by one `Local`."""

    def __init__(self, local: Local) -> None:
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
            with closing(Local(address)) as local:
                yield Visitor(local)
            await eventually(lambda: not server.open)


@on_every_loop
async def test_visits_share_a_connection() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(3)] == [b"ok"] * 3
    assert server.requests == [3]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@on_every_loop
async def test_what_may_have_an_effect_has_a_connection_of_its_own(method: str) -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        await visitor.get(method)
        await visitor.get(method, b"hi")
        # But it leaves one behind, as good as any.
        assert [await visitor.get() for _ in range(2)] == [b"ok"] * 2
    assert sorted(server.requests) == [1, 1, 3]


class OneByOne(Server):
    """Has no ear for a connection while it has another."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__(*answers)
        self._alone = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._alone:
            await super().serve(reader, writer)


@on_every_loop
async def test_what_is_kept_stands_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 2 * PATIENCE_S)
    server = OneByOne(OK)
    async with visited(server) as visitor:
        for method in ("GET", "POST", "POST", "GET"):
            assert await visitor.get(method) == b"ok"


@on_every_loop
async def test_a_body_can_be_sent_once_only() -> None:
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
async def test_after_some_answers_nothing_may_follow(answer: bytes) -> None:
    server = Server(answer)
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(2)] == [b"ok"] * 2
    assert server.requests == [1, 1]


@on_every_loop
async def test_what_was_not_read_to_its_end_is_not_kept() -> None:
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
async def test_what_happened_meanwhile_spoils_a_kept_one(
    happens: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        kept = visitor._local._connections._kept[0][1]
        await happens(server.ends[0])
        await eventually(lambda: not kept.is_idle)
        assert await visitor.get() == b"ok"
    assert server.requests == [1, 1]


@on_every_loop
async def test_closed_without_a_byte_it_is_replaced() -> None:
    server = Server(OK)
    server.hangs_up = True
    async with visited(server) as visitor:
        assert [await visitor.get() for _ in range(3)] == [b"ok"] * 3
    assert server.requests == [2, 2, 1]


@on_every_loop
async def test_closed_in_its_head_it_is_not() -> None:
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
async def test_a_new_one_that_is_closed_is_not_replaced() -> None:
    server = Server(b"")
    async with visited(server) as visitor, asyncio.TaskGroup() as tasks:
        tasks.create_task(refused(visitor), name="visit")
        await eventually(lambda: server.requests == [1])
        server.ends[0].close()
    assert server.requests == [1]


@on_every_loop
async def test_no_more_are_kept_than_are_of_use() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        server.may_answer.clear()
        async with asyncio.TaskGroup() as tasks:
            for number in range(MAX_KEPT + 3):
                tasks.create_task(visitor.get(), name=f"visit {number}")
            await eventually(lambda: len(server.ends) == MAX_KEPT + 3)
            server.may_answer.set()
        await eventually(lambda: server.open == MAX_KEPT)


@on_every_loop
async def test_who_idles_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 0.05)
    server = Server(OK)
    async with visited(server) as visitor:
        for _ in range(2):
            await visitor.get()
            await eventually(lambda: not server.open)
    assert server.requests == [1, 1]


@on_every_loop
async def test_at_the_end_none_is_left() -> None:
    server = Server(OK)
    async with visited(server) as visitor:
        await visitor.get()
        visitor._local.close()
        await eventually(lambda: not server.open)
