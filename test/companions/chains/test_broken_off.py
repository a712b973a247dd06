"""Chains that are broken off: what the client is told, and who hears of it."""

import pytest

from httpprocessproxy.companions.chains.companion import ChainOptions
from test.companions.chains.benches import answer, line
from test.fakes import OK
from test.loops import on_every_loop

OUT = answer()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nou"])
@on_every_loop
async def test_a_backend_that_hangs_up_is_an_error(said: bytes) -> None:
    async with line() as at:
        client = await at.ask()
        backend, _ = await at.bench.backend.take()
        await backend.send(said)
        backend.close()
        assert (await client.response()).status == 502
        assert (await at.error())["errorType"] == "Internal"
        await at.happens("error told to")


@on_every_loop
async def test_an_error_that_is_cut_is_told_as_far_as_it_came() -> None:
    async with line() as at:
        client = await at.ask()
        backend, _ = await at.bench.backend.take()
        await backend.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nsor")
        await client.head()
        backend.close()
        assert (await client.rest(), client.was_reset) == (b"sor", True)
        assert (await at.error())["responseText"] == "sor"
        await at.happens("error told to")


@on_every_loop
async def test_a_client_that_leaves_ends_the_chain() -> None:
    async with line(ChainOptions(places=1)) as at:
        client = await at.ask()
        await at.bench.backend.take()
        client.reset()
        assert (await at.error())["errorMessage"].startswith("the client left")
        await at.happens("error told to")
        assert (await at.answered(OUT)).response.status == 202  # the place is free again
        await (await at.next())[0].send(OK)
        await at.happens("error told to", "delivered")


@on_every_loop
async def test_a_restart_holds_a_request_and_ends_one_that_is_with_the_backend() -> None:
    async with line(is_open=False) as at:
        client = await at.ask()
        await at.bench.held(1)
        at.bench.start()
        await at.bench.backend.serve(OUT)
        assert (await client.response()).status == 202
        hop, _ = await at.next()
        at.bench.restart()  # which is nothing to what has been promised
        await hop.send(OK)
        await at.happens("delivered")
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        client = await at.ask()
        await (await at.bench.backend.accept()).request()
        at.bench.restart()
        assert (await client.response()).status == 502
        await at.happens("delivered", "error told to")


@on_every_loop
async def test_at_the_end_of_a_chain_errors_may_be_for_others() -> None:
    async with line() as at:
        lines = at.fixed(Errors_To="http://elsewhere")
        asked = await at.answered(answer(status=b"404 Not Found"), *lines)
        assert asked.response.status == 404
        told = await at.happens("error not told to")
        assert "http://elsewhere is not allowed" in str(told.text)
