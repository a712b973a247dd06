"""Requests that no server has accepted: they go to the next one, the unsafe ones as well."""

import asyncio

import pytest

from test.deadline import PATIENCE_S
from test.fakes import ENDED, OK, Bench, Peer, get, post, serving
from test.loops import on_every_loop
from test.proxy.exchanges import SAFE, UNSAFE, asked, assert_next_is


def reclaim_unaccepted(bench: Bench, *wires: Peer) -> None:
    """A file has changed, and these were still in the socket's queue."""
    bench.gate.hold()
    bench.proxy_server.reclaim_unaccepted({wire.socket.getpeername() for wire in wires})


@pytest.mark.parametrize("method", SAFE + UNSAFE)
@on_every_loop
async def test_it_goes_to_the_next_server(method: str) -> None:
    async with serving(takes_back=True) as bench:
        client, wire = await asked(bench, get("/again", method=method))
        reclaim_unaccepted(bench, wire)
        await bench.held(1)
        async with asyncio.timeout(PATIENCE_S / 2):
            await bench.gate.drained(PATIENCE_S)  # nobody waits for what nobody does
        bench.end_generation()
        bench.start()
        await assert_next_is(bench, "/again")
        assert (await client.response(method)).status == 200


@on_every_loop
async def test_its_body_goes_with_it() -> None:
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
async def test_a_body_too_long_to_be_kept_may_have_taken_effect_for_all_we_know() -> None:
    async with serving(takes_back=True) as bench:
        size = 100_000
        client, wire = await asked(bench, post(b"", length=size))
        await client.send(bytes(size))
        await wire.exactly(size)
        reclaim_unaccepted(bench, wire)
        assert (await client.response()).status == 502


@on_every_loop
async def test_what_a_server_has_accepted_stays_with_it() -> None:
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
async def test_what_was_accepted_is_lost_as_ever() -> None:
    async with serving(takes_back=True) as bench:
        client, _ = await asked(bench, get("/accepted", method="POST"))
        bench.stop()
        assert (await client.response()).status == 502


@on_every_loop
async def test_a_crash_refuses_it() -> None:
    async with serving(takes_back=True) as bench:
        client, wire = await asked(bench, post(b"0123"))
        reclaim_unaccepted(bench, wire)
        bench.gate.refuse(lambda: ENDED)
        bench.end_generation()
        assert (await client.response()).status == 503
