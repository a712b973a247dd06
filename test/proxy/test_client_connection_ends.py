"""How a browser's connection ends: half-closes, lingering, broken bodies, time limits."""

import pytest

from httpprocessproxy.proxy import client_connection as client_module
from test.fakes import OK, get, post, serving
from test.loops import eventually, on_every_loop, turn

MUCH = 16 * 1024 * 1024


# Half-closes


@on_every_loop
async def test_a_half_closed_client_gets_its_answer() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get())
        client.finish()
        await bench.held(1)
        bench.start()
        await bench.backend.serve()
        response = await client.response()
        assert (response.body, response.get(b"Connection")) == (b"ok", b"close")
        await client.assert_closed()


@on_every_loop
async def test_a_half_closed_client_gets_all_its_answers() -> None:
    async with serving() as bench:
        client = await bench.client(get("/a") + post(b"body", "/b") + get("/c"))
        client.finish()
        for target in (b"/a", b"/b", b"/c"):
            _, request = await bench.backend.serve(
                OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
            )
            assert request.target == target
            response = await client.response()
            assert response.status == 200
        assert response.get(b"Connection") == b"close"
        await client.assert_closed()


@pytest.mark.parametrize("rest", [get()[:-2], post(b"one", length=6)])
@on_every_loop
async def test_half_a_request_behind_a_half_close_is_dropped(rest: bytes) -> None:
    async with serving() as bench:
        client = await bench.client(get("/whole") + rest)
        client.finish()
        wire, _ = await bench.backend.serve()
        assert (await client.response()).status == 200
        assert b" 200 " not in await client.rest()
        await wire.rest()
        await eventually(lambda: not bench.proxy_server.clients)


@on_every_loop
async def test_a_half_closed_client_that_goes_is_noticed() -> None:
    async with serving() as bench:
        client = await bench.client(get())
        client.finish()
        wire, _ = await bench.backend.take()
        await turn()
        client.close()
        assert await wire.rest() == b""


@on_every_loop
async def test_a_body_that_ends_too_early_reaches_nobody_as_whole() -> None:
    async with serving() as bench:
        client = await bench.client(
            get("/", "Transfer-Encoding: chunked", method="POST") + b"3\r\none\r\n"
        )
        wire = await bench.backend.accept()
        await wire.until(b"one")
        client.finish()
        assert b"0\r\n\r\n" not in await wire.rest()


# Lingering


@on_every_loop
async def test_a_refused_body_does_not_destroy_its_refusal() -> None:
    async with serving() as bench:
        client = await bench.client(
            b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: %d\r\n\r\n" % MUCH
        )
        await client.until(b"403")
        for _ in range(20):
            client.send_some(b"x" * 65536)
            await turn()
        await client.rest()
        assert not client.was_reset


@on_every_loop
async def test_lingering_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LINGER_S", 0.05)
    async with serving() as bench:
        client = await bench.client(b"nonsense\r\n\r\n")
        assert (await client.response()).status == 400
        await client.assert_closed()
        await eventually(lambda: not bench.proxy_server.clients)  # though the client is still there


@pytest.mark.parametrize("leave", ["close", "reset"])
@on_every_loop
async def test_a_client_may_leave_while_we_linger(leave: str) -> None:
    async with serving() as bench:
        client = await bench.client(b"nonsense\r\n\r\n")
        await client.response()
        getattr(client, leave)()
        await eventually(lambda: not bench.proxy_server.clients)


# Broken bodies


@pytest.mark.parametrize("is_open", [True, False])
@on_every_loop
async def test_a_broken_body_is_a_400(is_open: bool) -> None:
    async with serving(is_open=is_open) as bench:
        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        client = await bench.client(chunked + b"3\r\none\r\n")
        if is_open:
            wire = await bench.backend.accept()
            await wire.until(b"one")
        else:
            await bench.held(1)
        await client.send(b"no size\r\n")
        assert (await client.response()).status == 400
        await client.assert_closed()
        if is_open:
            assert b"0\r\n\r\n" not in await wire.rest()


@on_every_loop
async def test_a_body_that_is_broken_from_the_first_byte_reaches_nobody() -> None:
    async with serving() as bench:
        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        client = await bench.client(chunked + b"no size\r\n")
        assert (await client.response()).status == 400
        other = await bench.client(get("/canary"))
        assert (await bench.backend.serve())[1].target == b"/canary"
        await other.response()


@on_every_loop
async def test_a_broken_body_after_the_answer_has_begun_is_a_cut() -> None:
    async with serving() as bench:
        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        client = await bench.client(chunked + b"3\r\none\r\n")
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await client.until(b"half")
        await client.send(b"no size\r\n")
        await client.assert_reset()
        await wire.rest()


# Time limits


@on_every_loop
async def test_a_head_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "HEAD_TIMEOUT_S", 0.05)
    async with serving() as bench:
        idle = await bench.client()
        client = await bench.client(b"GET / HTTP/1.1\r\nX: ")
        assert (await client.response()).status == 408
        await client.assert_closed()
        # A connection on which nothing has begun may idle.
        await idle.send(get())
        await bench.backend.serve()
        assert (await idle.response()).status == 200


@on_every_loop
async def test_a_whole_head_has_all_the_time_for_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "HEAD_TIMEOUT_S", 0.2)
    async with serving() as bench:
        client = await bench.client(post(b"one", length=6)[:10])
        await turn()
        await client.send(post(b"one", length=6)[10:])
        wire = await bench.backend.accept()
        await wire.until(b"one")
        begun = await bench.client(b"GET")
        assert (await begun.response()).status == 408  # so that time has passed
        await client.send(b"two")
        await wire.exactly(3)
        await wire.send(OK)
        assert (await client.response()).status == 200


# Leaving


@on_every_loop
async def test_a_bench_can_be_left_in_the_middle_of_everything() -> None:
    """At the end of the program nothing may raise, whatever is going on."""
    async with serving() as bench:
        await bench.client(get()[:10])
        await bench.client(post(b"one", length=6))
        await bench.client(get())
        await bench.backend.accept()
