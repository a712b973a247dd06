"""The end of a client's connection: half-close, lingering close, broken bodies, time limits."""

import pytest

from httpprocessproxy.proxy import client_connection as client_module
from test.fakes import OK, get, post, serving
from test.loops import eventually, on_every_loop, turn

MUCH = 16 * 1024 * 1024


# Half-closes


@on_every_loop
async def test_half_closed_client_gets_its_response() -> None:
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
async def test_half_closed_client_gets_all_pipelined_responses() -> None:
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
async def test_incomplete_request_before_a_half_close_is_dropped(rest: bytes) -> None:
    async with serving() as bench:
        client = await bench.client(get("/whole") + rest)
        client.finish()
        wire, _ = await bench.backend.serve()
        assert (await client.response()).status == 200
        assert b" 200 " not in await client.rest()
        await wire.rest()
        await eventually(lambda: not bench.proxy_server.context.clients)


@on_every_loop
async def test_half_closed_client_that_closes_is_detected() -> None:
    async with serving() as bench:
        client = await bench.client(get())
        client.finish()
        wire, _ = await bench.backend.take()
        await turn()
        client.close()
        assert await wire.rest() == b""


@on_every_loop
async def test_truncated_body_is_not_completed_for_the_backend() -> None:
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
async def test_refusal_reaches_a_client_that_still_sends_its_body() -> None:
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
async def test_lingering_close_ends_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LINGER_S", 0.05)
    async with serving() as bench:
        client = await bench.client(b"nonsense\r\n\r\n")
        assert (await client.response()).status == 400
        await client.assert_closed()
        # Although the client has not closed.
        await eventually(lambda: not bench.proxy_server.context.clients)


@pytest.mark.parametrize("leave", ["close", "reset"])
@on_every_loop
async def test_client_may_close_during_a_lingering_close(leave: str) -> None:
    async with serving() as bench:
        client = await bench.client(b"nonsense\r\n\r\n")
        await client.response()
        getattr(client, leave)()
        await eventually(lambda: not bench.proxy_server.context.clients)


# Broken bodies


@pytest.mark.parametrize("is_open", [True, False])
@on_every_loop
async def test_request_with_a_broken_body_gets_400(is_open: bool) -> None:
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
async def test_request_whose_body_is_broken_at_once_is_not_sent() -> None:
    async with serving() as bench:
        chunked = get("/", "Transfer-Encoding: chunked", method="POST")
        client = await bench.client(chunked + b"no size\r\n")
        assert (await client.response()).status == 400
        other = await bench.client(get("/canary"))
        assert (await bench.backend.serve())[1].target == b"/canary"
        await other.response()


@on_every_loop
async def test_broken_body_after_a_begun_response_cuts_the_response() -> None:
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
async def test_head_that_arrives_too_slowly_gets_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "HEAD_TIMEOUT_S", 0.05)
    async with serving() as bench:
        idle = await bench.client()
        client = await bench.client(b"GET / HTTP/1.1\r\nX: ")
        assert (await client.response()).status == 408
        await client.assert_closed()
        # A connection without a begun request may stay idle.
        await idle.send(get())
        await bench.backend.serve()
        assert (await idle.response()).status == 200


@on_every_loop
async def test_body_of_a_complete_head_has_no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "HEAD_TIMEOUT_S", 0.2)
    async with serving() as bench:
        client = await bench.client(post(b"one", length=6)[:10])
        await turn()
        await client.send(post(b"one", length=6)[10:])
        wire = await bench.backend.accept()
        await wire.until(b"one")
        begun = await bench.client(b"GET")
        assert (await begun.response()).status == 408  # so the time limit has passed
        await client.send(b"two")
        await wire.exactly(3)
        await wire.send(OK)
        assert (await client.response()).status == 200


# Leaving


@on_every_loop
async def test_server_can_be_closed_in_any_phase_of_a_request() -> None:
    """No exception may occur at the end of the program, in any phase of a request."""
    async with serving() as bench:
        await bench.client(get()[:10])
        await bench.client(post(b"one", length=6))
        await bench.client(get())
        await bench.backend.accept()
