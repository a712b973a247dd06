"""The effect of a restart on a request, in each of its phases."""

import pytest

from test.fakes import ENDED, OK, get, post, serving
from test.loops import on_every_loop
from test.proxy.exchanges import HEAD, MUCH, SAFE, UNSAFE, asked, assert_goes_on, assert_next_is

# Restarts, phase by phase


@pytest.mark.parametrize("method", SAFE + UNSAFE)
@on_every_loop
async def test_held_request_is_sent_to_the_next_generation(method: str) -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/held", method=method))
        await bench.held(1)
        bench.start()
        await assert_next_is(bench, "/held")
        assert (await client.response(method)).status == 200


@pytest.mark.parametrize("method", SAFE)
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 2"])
@on_every_loop
async def test_safe_request_without_response_is_sent_again_after_a_restart(
    method: str, begun: bytes
) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/again", method=method))
        await wire.send(begun)
        if b"103" in begun:
            assert (await client.response()).status == 103
        bench.stop()
        await bench.held(1)
        await wire.rest()
        bench.start()
        await assert_next_is(bench, "/again")
        assert (await client.response(method)).status == 200


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 2"])
@on_every_loop
async def test_unsafe_request_without_response_gets_502_at_a_restart(
    method: str, begun: bytes
) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/once", method=method))
        await wire.send(begun)
        if b"100" in begun:
            assert (await client.response()).status == 100
        bench.stop()
        response = await client.response()
        assert response.status == 502
        assert b"may have taken effect" in response.body
        bench.start()
        await assert_goes_on(bench, client)  # /once is not sent a second time


@on_every_loop
async def test_incomplete_unsafe_request_gets_502_at_a_restart() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, post(b"one", length=6))
        await wire.until(b"one")
        bench.stop()
        assert (await client.response()).status == 502
        await client.send(b"two")
        await client.assert_closed()
        bench.start()
        await assert_goes_on(bench, await bench.client())


@on_every_loop
async def test_incomplete_safe_request_is_sent_again_after_a_restart() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/again", "Content-Length: 6") + b"one")
        await wire.until(b"one")
        bench.restart()
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await client.send(b"two")
        assert await wire.exactly(3) == b"two"
        await wire.send(OK)
        assert (await client.response()).status == 200


@on_every_loop
async def test_safe_request_with_a_large_body_gets_502_at_a_restart() -> None:
    async with serving() as bench:
        size = 256 * 1024
        client, wire = await asked(bench, get("/", f"Content-Length: {size + 1}"))
        await client.send(b"x" * size)
        await wire.exactly(size)
        bench.stop()
        assert (await client.response()).status == 502
        await client.assert_closed()


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(HEAD % 8 + b"half", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhalf", id="until the end"),
    ],
)
@on_every_loop
async def test_begun_response_is_cut_at_a_restart(begun: bytes) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(begun)
        await client.until(b"half")
        bench.stop()
        await client.rest()
        assert client.was_reset


@on_every_loop
async def test_response_to_a_slow_client_is_cut_at_a_restart() -> None:
    async with serving(send_bytes=4096) as bench:
        client = await bench.client(get(), receive_bytes=4096)
        wire, _ = await bench.backend.take()
        await wire.send(HEAD % MUCH)
        await wire.send_until_stuck(b"x" * 65536)
        bench.stop()
        await client.rest()
        assert client.was_reset


@on_every_loop
async def test_idle_client_connection_persists_over_a_restart() -> None:
    async with serving() as bench:
        client = await bench.client(get("/first"))
        wire, _ = await bench.backend.serve()
        await client.response()
        bench.stop()
        assert await wire.rest() == b""
        bench.start()
        await assert_goes_on(bench, client)


@on_every_loop
async def test_safe_request_is_sent_again_after_each_restart() -> None:
    async with serving() as bench:
        client = await bench.client(get("/again"))
        for _ in range(5):
            wire = await bench.backend.accept()
            assert (await wire.request()).target == b"/again"
            bench.restart()
        await assert_next_is(bench, "/again")
        assert (await client.response()).status == 200


@on_every_loop
async def test_safe_request_gets_503_after_a_crash() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        wire.reset()
        bench.gate.refuse(lambda: ENDED)
        bench.end_generation()
        response = await client.response()
        assert response.status == 503
        assert b"The server has ended" in response.body
