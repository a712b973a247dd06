"""Visits of the worker as a program: the answer at the visitor's pace, and the end of a visit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from httpprocessproxy.companions.share.protocol import Fields, VisitHead
from httpprocessproxy.companions.share.worker.local_site import LocalSite
from httpprocessproxy.config import Address
from httpprocessproxy.frontends.streams import RequestSink
from test.companions.share.visits import FakeVisitor
from test.fakes import OK, Listener
from test.loops import eventually, on_every_loop, turn


class World:
    """A site, its server, and a visitor."""

    def __init__(self, site: LocalSite, server: Listener) -> None:
        self.server = server
        self.visitor = FakeVisitor()
        self._site = site

    def visit(self, method: str = "GET", *fields: tuple[str, str]) -> RequestSink:
        outgoing: Fields = [("Host", "h"), *fields]
        return self._site.open_visit(VisitHead("id", method, "/", "", outgoing), self.visitor)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as tasks:
        with (
            closing(Listener()) as server,
            closing(LocalSite(Address("127.0.0.1", server.port), tasks)) as site,
        ):
            yield World(site, server)


@on_every_loop
async def test_body_and_answer_pass_and_the_body_is_consumed() -> None:
    async with world() as made:
        request = made.visit("POST", ("Content-Length", "5"))
        request.body(b"hello")
        request.end()
        _, received = await made.server.serve()
        await made.visitor.over.wait()
    assert (received.body, made.visitor.body) == (b"hello", b"ok")
    assert (made.visitor.consumed_bytes, made.visitor.reason) == (5, None)


@on_every_loop
async def test_visitor_that_leaves_closes_the_connection_to_the_server() -> None:
    async with world() as made:
        request = made.visit()
        request.end()
        server, _ = await made.server.take()
        request.reset()
        assert await server.rest() == b""
        assert made.visitor.head is None


@on_every_loop
async def test_slow_visitor_pauses_the_server() -> None:
    async with world() as made:
        request = made.visit()
        request.end()
        server, _ = await made.server.take()
        await server.send(OK.replace(b"Length: 2", b"Length: 1000000000"))
        await eventually(lambda: made.visitor.body == b"ok")
        request.pause()
        await server.send_until_stuck(b"x" * 65536)
        stuck_bytes = len(made.visitor.body)
        await turn()
        assert len(made.visitor.body) == stuck_bytes
        request.resume()
        await eventually(lambda: len(made.visitor.body) > stuck_bytes)
        request.reset()


@on_every_loop
async def test_incomplete_answer_is_cut() -> None:
    async with world() as made:
        made.visit().end()
        server, _ = await made.server.serve(OK.replace(b"Length: 2", b"Length: 3"))
        server.close()
        await made.visitor.over.wait()
    assert made.visitor.reason is not None
    assert "not whole" in made.visitor.reason
