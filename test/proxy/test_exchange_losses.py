"""Exchanges whose client leaves, whose connection breaks, or whose body waits."""

import asyncio

import pytest

from httpprocessproxy.core.http.bodies import NO_BODY
from httpprocessproxy.core.http.forwarded import Peer as Asker
from httpprocessproxy.core.http.headers import outgoing_request
from httpprocessproxy.core.http.http1 import parse_request
from httpprocessproxy.core.http.request import Response
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.upstream_connection import UpstreamConnection
from test.fakes import ENDED, OK, get, post, serving
from test.loops import eventually, on_every_loop, turn
from test.proxy.exchanges import HEAD, MUCH, asked, assert_goes_on, assert_next_is

# Clients that leave, phase by phase


@pytest.mark.parametrize("leave", ["close", "reset"])
@on_every_loop
async def test_held_request_of_a_client_that_left_is_not_sent(leave: str) -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/left"))
        await bench.held(1)
        getattr(client, leave)()
        await bench.held(0)
        bench.start()
        await assert_goes_on(bench, await bench.client())


@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get(), id="get"),
        pytest.param(post(b"body"), id="post"),
        pytest.param(post(b"one", length=6), id="half a post"),
    ],
)
@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 2", HEAD % 8 + b"half"]
)
@on_every_loop
async def test_backend_connection_is_closed_when_the_client_leaves(
    leave: str, request_: bytes, begun: bytes
) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, request_)
        await wire.send(begun)
        if begun.endswith((b"half", b"\r\n")):
            await client.until(begun[-4:])
        getattr(client, leave)()
        await wire.rest()  # ends
        await eventually(lambda: not bench.proxy_server.context.clients)


# Connections that break


@on_every_loop
async def test_safe_request_is_sent_again_when_a_reused_connection_closes() -> None:
    async with serving() as bench:
        client = await bench.client(get("/first"))
        wire, _ = await bench.backend.serve()
        await client.response()
        await client.send(get("/second"))
        await wire.request()
        wire.close()  # as if it had closed while the request was in flight
        await assert_next_is(bench, "/second")
        assert (await client.response()).status == 200


@on_every_loop
async def test_unsafe_request_gets_a_new_connection() -> None:
    async with serving() as bench:
        client = await bench.client(get("/first"))
        wire, _ = await bench.backend.serve()
        await client.response()
        await client.send(post(b"body"))
        assert (await bench.backend.serve())[1].body == b"body"
        assert (await client.response()).status == 200
        assert await wire.rest() == b""


@on_every_loop
async def test_unsafe_request_whose_connection_closes_gets_502() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, post(b"body"))
        await wire.exactly(4)
        wire.close()
        assert (await client.response()).status == 502
        await assert_goes_on(bench, client)


@on_every_loop
async def test_safe_request_is_sent_twice_to_a_live_backend_that_closes() -> None:
    async with serving(suspicion_s=0.02) as bench:
        client, wire = await asked(bench, get())
        wire.close()
        (await bench.backend.accept()).close()
        assert (await client.response()).status == 502
        await assert_goes_on(bench, client)


@pytest.mark.parametrize("method", ["GET", "POST"])
@on_every_loop
async def test_request_with_a_refused_connection_gets_503_when_the_end_is_reported(
    method: str,
) -> None:
    async with serving() as bench:
        bench.backend.socket.close()
        client = await bench.client(get("/", method=method))
        await eventually(lambda: bool(bench.proxy_server.context.clients))
        await turn()
        bench.gate.refuse(lambda: ENDED)
        assert (await client.response()).status == 503


@on_every_loop
async def test_suspicion_applies_to_one_generation_only() -> None:
    """A request sent again after a restart waits again if that backend dies, too."""
    async with serving() as bench:
        client, wire = await asked(bench, get("/again"))
        for _ in range(2):
            wire.close()
            await eventually(lambda: not bench.upstreams)
            bench.restart()
            wire = await bench.backend.accept()
            assert (await wire.request()).target == b"/again"
        await wire.send(OK)
        assert (await client.response()).status == 200


@on_every_loop
async def test_client_that_leaves_during_a_suspicion_is_removed() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/left"))
        wire.close()
        await eventually(lambda: not bench.upstreams)
        client.close()
        await eventually(lambda: not bench.proxy_server.context.clients)
        bench.restart()
        await assert_goes_on(bench, await bench.client())


@pytest.mark.parametrize("greeting", [b"", b"220 ready\r\n\r\n"])
@on_every_loop
async def test_backend_that_sends_or_closes_before_the_request_causes_502(greeting: bytes) -> None:
    """The close, or the data, may arrive before or after the request was sent."""
    async with serving(suspicion_s=0.02) as bench:
        client = await bench.client(get())

        async def be_rude() -> None:
            while True:
                wire = await bench.backend.accept()
                await wire.send(greeting)
                wire.finish()

        async with asyncio.TaskGroup() as group:
            backend = group.create_task(be_rude(), name="backend")
            assert (await client.response()).status == 502
            backend.cancel()


@on_every_loop
async def test_connection_that_closed_before_use_is_lost() -> None:
    """uvloop may read the end of a connection before it reports the connection."""
    async with serving() as bench:
        await bench.client()
        await eventually(lambda: bool(bench.proxy_server.context.clients))
        (client,) = bench.proxy_server.context.clients
        head = parse_request(get())
        request = outgoing_request(head, Asker(None, trusted=True), b"1.1 us")
        exchange = Exchange(client, bench.proxy_server.context, request)
        exchange.for_backend = True
        upstream = UpstreamConnection(bench.web.connections.responses, GenerationId("web", 1))
        port = bench.backend.port
        await bench.proxy_server.loop.create_connection(lambda: upstream, "127.0.0.1", port)
        (await bench.backend.accept()).close()
        await eventually(upstream.transport.is_closing)
        exchange.connected(upstream)
        bench.gate.hold()
        assert bench.gate.held == 1
        exchange.cancel()


@on_every_loop
async def test_switch_read_from_a_connection_that_is_gone_opens_no_tunnel() -> None:
    """A write may fail before the response that arrived earlier is read."""
    async with serving() as bench:
        upgrade = get("/", "Connection: Upgrade", "Upgrade: websocket")
        await asked(bench, upgrade)
        (upstream,) = bench.upstreams
        exchange = upstream._exchange
        assert exchange is not None
        upstream.transport.abort()
        head = b"HTTP/1.1 101 Switching Protocols\r\n"
        exchange.switch_protocols(Response(101, head, NO_BODY, False, False, b"websocket"), b"")
        assert not bench.proxy_server.context.tunnels
        bench.gate.hold()
        assert bench.gate.held == 1
        bench.close_ends()


# Delay of a kill by unsafe requests


@on_every_loop
async def test_unsafe_request_delays_a_kill_until_its_response() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, post(b"body"))
        await bench.gate.drained(0.01)
        await wire.send(OK)
        await bench.gate.drained(100)  # returns at once, although the limit is 100 s
        assert (await client.response()).status == 200


# Bodies of held requests


@on_every_loop
async def test_body_of_a_held_request_stays_in_the_kernel() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/", f"Content-Length: {MUCH}", method="POST"))
        sent = await client.send_until_stuck(b"x" * 65536)
        assert sent < MUCH
        bench.start()
        wire = await bench.backend.accept()
        await wire.head()
        received = len(wire.unread)
        while received < MUCH:
            if sent < MUCH:
                sent += client.send_some(b"x" * min(65536, MUCH - sent))
            wire.unread = b""
            assert await wire.more()
            received += len(wire.unread)
        await wire.send(OK)
        assert (await client.response()).status == 200


@on_every_loop
async def test_backend_may_close_after_a_client_that_is_not_read() -> None:
    async with serving(is_open=False, receive_bytes=4096) as bench:
        client = await bench.client(get("/", f"Content-Length: {MUCH}", method="POST"))
        await client.send_until_stuck(b"x" * 65536)
        bench.start()
        wire = await bench.backend.accept()
        await client.send_until_stuck(b"x" * 65536)
        client.close()
        wire.close()


@on_every_loop
async def test_refusal_reaches_the_client_of_a_large_held_body() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/", f"Content-Length: {MUCH}", method="POST"))
        await client.send_until_stuck(b"x" * 65536)
        bench.gate.refuse(lambda: ENDED)
        await client.until(b"503")
        await client.send(b"x" * 1024 * 1024)  # read and discarded during the lingering close
        assert b"The server has ended" in await client.rest()
        assert not client.was_reset


@on_every_loop
async def test_large_held_request_of_a_client_that_left_is_not_sent() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/left", f"Content-Length: {MUCH}", method="POST"))
        await client.send_until_stuck(b"x" * 65536)
        client.close()
        await bench.held(0)
        bench.start()
        await assert_goes_on(bench, await bench.client())


@on_every_loop
async def test_large_request_of_a_client_that_leaves_at_the_release_is_not_sent() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get("/left", f"Content-Length: {MUCH}", method="POST"))
        await client.send_until_stuck(b"x" * 65536)
        client.close()
        bench.start()
        await assert_goes_on(bench, await bench.client())


@on_every_loop
async def test_slow_backend_blocks_the_client_until_a_restart() -> None:
    async with serving(receive_bytes=4096) as bench:
        client, _ = await asked(bench, get("/", f"Content-Length: {MUCH}", method="POST"))
        assert await client.send_until_stuck(b"x" * 65536) < MUCH
        bench.stop()
        assert (await client.response()).status == 502
        await client.send(b"x" * 1024 * 1024)
        await client.assert_closed()
