"""The request that goes first, to a backend of which nobody knows yet whether it answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from test.fakes import OK, OVERDUE, Bench, Peer, get, serving
from test.loops import on_every_loop
from test.proxy.exchanges import SAFE, assert_next_is


@dataclass
class Scouted:
    """A client whose request was held, and has been sent ahead."""

    bench: Bench
    client: Peer
    answered: asyncio.Future[bool]

    async def sent(self) -> Peer:
        """The backend's connection, on which the request has come."""
        wire = await self.bench.backend.accept()
        assert (await wire.request()).target == b"/first"
        return wire

    async def again(self) -> None:
        """Wait until the request is held as before, and send it ahead once more."""
        await self.bench.held(1)
        self.answered = await self.bench.first_request()

    async def assert_it_waits(self) -> None:
        """It is held, and the first that the next backend gets."""
        await self.bench.held(1)
        self.bench.start()
        await assert_next_is(self.bench, "/first")
        assert (await self.client.response()).status == 200


@contextlib.asynccontextmanager
async def scouting(method: str = "GET") -> AsyncIterator[Scouted]:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first", method=method))
        await bench.held(1)
        yield Scouted(bench, client, await bench.first_request())


@pytest.mark.parametrize("method", SAFE)
@on_every_loop
async def test_its_answer_goes_to_the_client_and_tells_that_the_backend_is_ready(
    method: str,
) -> None:
    async with scouting(method) as scouted:
        wire = await scouted.sent()
        assert not scouted.answered.done()
        await wire.send(OK)
        assert (await scouted.client.response(method)).status == 200
        assert await scouted.answered


@on_every_loop
async def test_one_that_is_lost_waits_for_the_gate_however_often() -> None:
    async with scouting() as scouted:
        for number in range(3):
            if number:
                await scouted.again()
            (await scouted.sent()).close()
            assert not await scouted.answered
        await scouted.assert_it_waits()


@on_every_loop
async def test_a_change_takes_it_back() -> None:
    async with scouting() as scouted:
        wire = await scouted.sent()
        scouted.bench.stop()
        assert not await scouted.answered
        await wire.rest()
        await scouted.assert_it_waits()


@on_every_loop
async def test_a_change_before_it_is_sent_takes_it_back() -> None:
    async with scouting() as scouted:
        scouted.bench.stop()  # at once: nothing has been sent
        unused = await scouted.bench.backend.accept()
        assert await unused.rest() == b""
        await scouted.assert_it_waits()


@on_every_loop
async def test_it_goes_on_when_the_gate_opens_before_its_answer() -> None:
    async with scouting() as scouted:
        wire = await scouted.sent()
        scouted.bench.open()
        assert not await scouted.answered
        await wire.send(OK)
        assert (await scouted.client.response()).status == 200


@on_every_loop
async def test_a_client_that_leaves_costs_no_connection() -> None:
    async with scouting() as scouted:
        wire = await scouted.sent()
        scouted.client.close()
        async with asyncio.timeout(10):
            assert not await scouted.answered
        await wire.rest()


@on_every_loop
async def test_scout_that_gets_interim_responses_alone_is_refused_when_it_is_given_up() -> None:
    async with scouting() as scouted:
        wire = await scouted.sent()
        await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        assert (await scouted.client.head()).status == 102
        scouted.bench.proxy_server.give_up(OVERDUE)
        assert (await scouted.client.response()).status == 503
        await wire.assert_reset()
        assert not await scouted.answered
