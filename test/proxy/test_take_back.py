"""Requests that no server has accepted are sent to the next one, including unsafe ones."""

import asyncio

import pytest

from test.deadline import PATIENCE_S
from test.fakes import ENDED, OK, Bench, Peer, get, post, serving
from test.loops import on_every_loop
from test.proxy.exchanges import SAFE, UNSAFE, asked, assert_next_is


def reclaim_unaccepted(bench: Bench, *wires: Peer) -> None:
    """Hold the gate, and reclaim connections that are still in the socket's queue."""
    bench.gate.hold()
    bench.web.reclaim_unaccepted({wire.socket.getpeername() for wire in wires})


@pytest.mark.parametrize("method", SAFE + UNSAFE)
@on_every_loop
async def test_reclaimed_request_is_sent_to_the_next_server(method: str) -> None:
    async with serving(takes_back=True) as bench:
        client, wire = await asked(bench, get("/again", method=method))
        reclaim_unaccepted(bench, wire)
        await bench.held(1)
        async with asyncio.timeout(PATIENCE_S / 2):
            await bench.gate.drained(PATIENCE_S)  # a reclaimed request does not delay the kill
        bench.end_generation()
        bench.start()
        await assert_next_is(bench, "/again")
        assert (await client.response(method)).status == 200


@on_every_loop
async def test_reclaimed_request_is_sent_with_its_body() -> None:
    async with serving(takes_back=True) as bench:
        client, wire = await asked(bench, post(b"0123", length=12))
        assert await wire.exactly(4) == b"0123"
        reclaim_unaccepted(bench, wire)
        await client.send(b"4567")
        await bench.held(1)
        bench.restart()
        wire = await bench.backend.accept()
        await client.send(b"89ab")
        assert (await wire.request()).body == b"0123456789ab"
        await wire.send(OK)
        assert (await client.response()).status == 200


@on_every_loop
async def test_reclaimed_request_with_a_large_body_gets_502() -> None:
    async with serving(takes_back=True) as bench:
        size = 100_000
        client, wire = await asked(bench, post(b"", length=size))
        await client.send(bytes(size))
        await wire.exactly(size)
        reclaim_unaccepted(bench, wire)
        assert (await client.response()).status == 502


@on_every_loop
async def test_accepted_request_is_not_reclaimed() -> None:
    async with serving(takes_back=True) as bench:
        client, accepted = await asked(bench, get("/accepted", method="POST"))
        other, waiting = await asked(bench, get("/waiting", method="POST"))
        reclaim_unaccepted(bench, waiting)
        await accepted.send(OK)
        assert (await client.response()).status == 200
        bench.restart()
        await assert_next_is(bench, "/waiting")
        assert (await other.response()).status == 200


@on_every_loop
async def test_accepted_unsafe_request_gets_502_at_a_restart() -> None:
    async with serving(takes_back=True) as bench:
        client, _ = await asked(bench, get("/accepted", method="POST"))
        bench.stop()
        assert (await client.response()).status == 502


@on_every_loop
async def test_reclaimed_request_gets_503_after_a_crash() -> None:
    async with serving(takes_back=True) as bench:
        client, wire = await asked(bench, post(b"0123"))
        reclaim_unaccepted(bench, wire)
        bench.gate.refuse(lambda: ENDED)
        bench.end_generation()
        assert (await client.response()).status == 503
