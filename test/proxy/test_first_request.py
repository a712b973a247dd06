"""The first request, sent to a backend before its readiness is known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from test.fakes import OK, OVERDUE, Bench, Peer, get, serving
from test.loops import on_every_loop
from test.proxy.exchanges import SAFE, assert_next_is


@dataclass
class FirstRequest:
    """A client whose held request was sent to the backend as the first request."""

    bench: Bench
    client: Peer
    answered: asyncio.Future[bool]

    async def sent(self) -> Peer:
        """Return the backend's connection after the request arrived."""
        wire = await self.bench.backend.accept()
        assert (await wire.request()).target == b"/first"
        return wire

    async def again(self) -> None:
        """Wait until the request is held, and send it a second time as the first request."""
        await self.bench.held(1)
        self.answered = await self.bench.first_request()

    async def assert_it_waits(self) -> None:
        """Assert that the request is held, and is sent to the next backend first."""
        await self.bench.held(1)
        self.bench.start()
        await assert_next_is(self.bench, "/first")
        assert (await self.client.response()).status == 200


@contextlib.asynccontextmanager
async def first_request(method: str = "GET") -> AsyncIterator[FirstRequest]:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first", method=method))
        await bench.held(1)
        yield FirstRequest(bench, client, await bench.first_request())


@pytest.mark.parametrize("method", SAFE)
@on_every_loop
async def test_response_to_the_first_request_shows_readiness(
    method: str,
) -> None:
    async with first_request(method) as first:
        wire = await first.sent()
        assert not first.answered.done()
        await wire.send(OK)
        assert (await first.client.response(method)).status == 200
        assert await first.answered


@on_every_loop
async def test_lost_first_request_is_held_each_time() -> None:
    async with first_request() as first:
        for number in range(3):
            if number:
                await first.again()
            (await first.sent()).close()
            assert not await first.answered
        await first.assert_it_waits()


@on_every_loop
async def test_sent_first_request_is_held_after_a_change() -> None:
    async with first_request() as first:
        wire = await first.sent()
        first.bench.stop()
        assert not await first.answered
        await wire.rest()
        await first.assert_it_waits()


@on_every_loop
async def test_unsent_first_request_is_held_after_a_change() -> None:
    async with first_request() as first:
        first.bench.stop()  # before anything was sent
        unused = await first.bench.backend.accept()
        assert await unused.rest() == b""
        await first.assert_it_waits()


@on_every_loop
async def test_first_request_continues_if_the_gate_opens_before_its_response() -> None:
    async with first_request() as first:
        wire = await first.sent()
        first.bench.open()
        assert not await first.answered
        await wire.send(OK)
        assert (await first.client.response()).status == 200


@on_every_loop
async def test_client_that_leaves_ends_the_first_request() -> None:
    async with first_request() as first:
        wire = await first.sent()
        first.client.close()
        async with asyncio.timeout(10):
            assert not await first.answered
        await wire.rest()


@on_every_loop
async def test_first_request_with_interim_responses_only_gets_503_at_give_up() -> None:
    async with first_request() as first:
        wire = await first.sent()
        await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        assert (await first.client.head()).status == 102
        first.bench.web.give_up(OVERDUE)
        assert (await first.client.response()).status == 503
        await wire.assert_reset()
        assert not await first.answered
