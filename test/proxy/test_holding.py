"""Held responses: head and small body are passed on together, or after MAX_HELD_S."""

import asyncio

import pytest

from httpprocessproxy.proxy import upstream_connection as upstream
from test.deadline import PATIENCE_S
from test.fakes import Bench, get, serving
from test.loops import eventually, on_every_loop
from test.proxy.exchanges import asked, assert_next_is

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def held(bench: Bench) -> None:
    """Wait until the head of a response is held."""
    await eventually(lambda: any(one._held for one in bench.upstreams))


@pytest.mark.parametrize("body", [b"whole", b""])
@on_every_loop
async def test_head_and_small_body_are_passed_on_in_one_piece(body: bytes) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(HEAD % 9 + body)
        await held(bench)
        await wire.send(b"whole-too"[len(body) :])
        assert (await client.response()).body == body + b"whole-too"[len(body) :]


@pytest.mark.parametrize("begun", [HEAD % 9, HEAD % 9 + b"half", CHUNKED_HEAD])
@on_every_loop
async def test_request_with_a_held_response_is_sent_again_after_a_restart(
    begun: bytes,
) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/again"))
        await wire.send(begun)
        await held(bench)
        bench.restart()
        await assert_next_is(bench, "/again")
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize(
    ("begun", "method"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "GET"),
        (HEAD % 9 + b"half", "POST"),
        (HEAD % 100_000 + b"begins", "GET"),
        (CHUNKED_HEAD + b"5\r\nfirst\r\n", "GET"),
    ],
    ids=["events", "unsafe", "large", "stream"],
)
@on_every_loop
async def test_response_that_is_not_held_is_passed_on_at_once(
    begun: bytes, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "MAX_HELD_S", PATIENCE_S * 2)
    async with serving() as bench:
        client, wire = await asked(bench, get(method=method))
        await wire.send(begun)
        await client.until(b"200 OK")


@on_every_loop
async def test_head_without_a_body_is_passed_on_after_the_time_limit() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(HEAD % 9)
        await client.until(b"200 OK")
        await wire.send(b"late-body")
        await client.until(b"late-body")


@pytest.mark.parametrize("begun", [HEAD % 100_000 + b"begins"])
@on_every_loop
async def test_begun_response_of_known_length_delays_a_kill(begun: bytes) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(begun)
        await client.until(b"begins")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.gate.drained(PATIENCE_S * 2)
        await wire.send(b"x" * (100_000 - 6))
        await bench.gate.drained(PATIENCE_S * 2)


@on_every_loop
async def test_stream_does_not_delay_a_kill() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(CHUNKED_HEAD + b"5\r\nfirst\r\n")
        await client.until(b"first")
        await bench.gate.drained(PATIENCE_S * 2)


@on_every_loop
async def test_head_with_bare_line_feeds_gets_502_at_once() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
        assert (await client.response()).status == 502
