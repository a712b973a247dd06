"""The request that goes first, to a backend of which nobody knows yet whether it answers."""

import asyncio

import pytest

from test.fakes import OK, get, serving
from test.loops import on_every_loop
from test.proxy.exchanges import SAFE, assert_next_is


@pytest.mark.parametrize("method", SAFE)
@on_every_loop
async def test_its_answer_goes_to_the_client_and_tells_that_the_backend_is_ready(
    method: str,
) -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first", method=method))
        await bench.held(1)
        answered = await bench.scout()
        wire = await bench.backend.accept()
        assert (await wire.request()).target == b"/first"
        assert not answered.done()
        await wire.send(OK)
        assert (await client.response(method)).status == 200
        assert await answered


@on_every_loop
async def test_one_that_is_lost_waits_for_the_gate_however_often() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first"))
        for _ in range(3):
            await bench.held(1)
            answered = await bench.scout()
            wire = await bench.backend.accept()
            await wire.request()
            wire.close()
            assert not await answered
        await bench.held(1)
        bench.start()
        await assert_next_is(bench, "/first")
        assert (await client.response()).status == 200


@on_every_loop
async def test_a_change_takes_it_back() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first"))
        await bench.held(1)
        answered = await bench.scout()
        wire = await bench.backend.accept()
        await wire.request()
        bench.stop()
        assert not await answered
        await wire.rest()
        await bench.held(1)
        bench.start()
        await assert_next_is(bench, "/first")
        assert (await client.response()).status == 200


@on_every_loop
async def test_a_change_before_it_is_sent_takes_it_back() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first"))
        await bench.held(1)
        await bench.scout()
        bench.stop()  # at once: nothing has been sent
        unused = await bench.backend.accept()
        assert await unused.rest() == b""
        await bench.held(1)
        bench.start()
        await assert_next_is(bench, "/first")
        assert (await client.response()).status == 200


@on_every_loop
async def test_it_goes_on_when_the_gate_opens_before_its_answer() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/slow"))
        await bench.held(1)
        answered = await bench.scout()
        wire = await bench.backend.accept()
        await wire.request()
        bench.open()
        assert not await answered
        await wire.send(OK)
        assert (await client.response()).status == 200


@on_every_loop
async def test_a_client_that_leaves_costs_no_connection() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/first"))
        await bench.held(1)
        answered = await bench.scout()
        wire = await bench.backend.accept()
        await wire.request()
        client.close()
        async with asyncio.timeout(10):
            assert not await answered
        await wire.rest()
