"""Chains that break off: the response that the client gets, and the error report."""

import pytest

from httpprocessproxy.companions.chains.companion import ChainOptions
from test.companions.chains.benches import answer, line
from test.fakes import OK
from test.loops import on_every_loop

OUT = answer()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nou"])
@on_every_loop
async def test_backend_that_hangs_up_gives_502_and_an_error_report(said: bytes) -> None:
    async with line() as at:
        client = await at.ask()
        backend, _ = await at.bench.backend.take()
        await backend.send(said)
        backend.close()
        assert (await client.response()).status == 502
        assert (await at.error())["errorType"] == "Internal"
        await at.happens("error sent to")


@on_every_loop
async def test_cut_error_response_is_reported_with_the_text_received() -> None:
    async with line() as at:
        client = await at.ask()
        backend, _ = await at.bench.backend.take()
        await backend.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nsor")
        await client.head()
        backend.close()
        assert (await client.rest(), client.was_reset) == (b"sor", True)
        assert (await at.error())["responseText"] == "sor"
        await at.happens("error sent to")


@on_every_loop
async def test_client_that_leaves_ends_the_chain_with_an_error_report() -> None:
    async with line(ChainOptions(places=1)) as at:
        client = await at.ask()
        await at.bench.backend.take()
        client.reset()
        assert (await at.error())["errorMessage"].startswith("the client left")
        await at.happens("error sent to")
        assert (await at.answered(OUT)).response.status == 202  # the place is free again
        await (await at.next())[0].send(OK)
        await at.happens("error sent to", "delivered")


@on_every_loop
async def test_restart_holds_a_waiting_request_and_ends_a_forwarded_one_with_502() -> None:
    async with line(is_open=False) as at:
        client = await at.ask()
        await at.bench.held(1)
        at.bench.start()
        await at.bench.backend.serve(OUT)
        assert (await client.response()).status == 202
        hop, _ = await at.next()
        at.bench.restart()  # does not affect an accepted delivery
        await hop.send(OK)
        await at.happens("delivered")
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        client = await at.ask()
        await (await at.bench.backend.accept()).request()
        at.bench.restart()
        assert (await client.response()).status == 502
        await at.happens("delivered", "error sent to")


@on_every_loop
async def test_chain_without_next_hop_may_name_a_forbidden_error_destination() -> None:
    async with line() as at:
        lines = at.fixed(Errors_To="http://elsewhere")
        asked = await at.answered(answer(status=b"404 Not Found"), *lines)
        assert asked.response.status == 404
        told = await at.happens("error not sent to")
        assert "http://elsewhere is not allowed" in str(told.text)
