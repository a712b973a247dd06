"""The records that exchanges and tunnels write into the log of requests."""

import pytest

from httpprocessproxy.inspector.request_log import CUT, LEFT, MAX_BODY_BYTES, REFUSED, RequestRecord
from test.fakes import ENDED, OK, Bench, get, post, serving
from test.loops import eventually, on_every_loop
from test.proxy.exchanges import asked

UPGRADE = get("/socket", "Connection: Upgrade", "Upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def last(bench: Bench) -> RequestRecord:
    """Return the record of the last request, after its end."""
    await eventually(lambda: bool(next(iter(bench.proxy_server.context.log)).ended_at))
    return next(iter(bench.proxy_server.context.log))


@on_every_loop
async def test_answered_request_is_recorded_with_body_and_response() -> None:
    async with serving() as bench:
        client = await bench.client(post(b"hello"))
        await bench.backend.serve(OK)
        await client.response()
        record = await last(bench)
        assert (record.status, record.outcome, record.sent) == (200, "", 1)
        assert (record.body, record.response_bytes) == (b"hello", 2)
        assert record.response_head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        assert record.peer_ip == "127.0.0.1"
        assert record.held_s == 0


@on_every_loop
async def test_record_has_no_body_if_it_is_too_large_or_incomplete() -> None:
    async with serving() as bench:
        client = await bench.client(post(b"x" * (MAX_BODY_BYTES + 1)))
        await bench.backend.serve(OK)
        await client.response()
        assert (await last(bench)).body is None
        client, wire = await asked(bench, post(b"x", length=9))
        await wire.exactly(1)
        client.reset()
        await wire.rest()
        record = await last(bench)
        assert (record.id, record.body, record.outcome) == (2, None, LEFT)


@on_every_loop
async def test_held_request_is_recorded_with_its_time_at_the_gate() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(get())
        await bench.held(1)
        (record,) = bench.proxy_server.context.log
        assert record.waits_since > 0
        assert not record.ended_at
        bench.start()
        await bench.backend.serve(OK)
        await client.response()
        assert (await last(bench)).held_s > 0
        assert record.sent == 1


@on_every_loop
async def test_request_sent_twice_is_recorded_once() -> None:
    async with serving() as bench:
        client, _ = await asked(bench, get())
        bench.restart()
        await bench.backend.serve(OK)
        await client.response()
        record = await last(bench)
        assert (record.sent, record.status, record.outcome) == (2, 200, "")


@on_every_loop
async def test_refused_request_is_recorded_as_refused() -> None:
    async with serving(is_open=False) as bench:
        bench.gate.refuse(lambda: ENDED)
        client = await bench.client(get())
        await client.response()
        record = await last(bench)
        assert (record.status, record.outcome, record.sent) == (503, REFUSED, 0)


@on_every_loop
async def test_request_with_a_broken_body_is_recorded_as_refused() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get("/", "Transfer-Encoding: chunked", method="POST"))
        await client.send(b"zz\r\n")
        assert (await client.response()).status == 400
        await wire.rest()
        (record,) = bench.proxy_server.context.log
        assert (record.status, record.outcome, record.body) == (400, REFUSED, None)


@pytest.mark.parametrize("by", ["restart", "backend"])
@on_every_loop
async def test_cut_response_is_recorded_as_cut(by: str) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await client.until(b"half")
        if by == "restart":
            bench.restart()
        else:
            wire.close()
        await client.assert_reset()
        record = await last(bench)
        assert (record.status, record.outcome, record.response_bytes) == (200, CUT, 4)


@on_every_loop
async def test_request_of_a_client_that_left_is_recorded_as_left() -> None:
    async with serving() as bench:
        client, wire = await asked(bench, get())
        client.close()
        await wire.rest()
        record = await last(bench)
        assert (record.status, record.outcome) == (0, LEFT)


@pytest.mark.parametrize(("by", "outcome"), [("restart", CUT), ("client", ""), ("backend", "")])
@on_every_loop
async def test_record_of_a_websocket_is_open_until_its_end(by: str, outcome: str) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, UPGRADE)
        await wire.send(SWITCHING + b"\x81\x01")
        await client.response()
        await wire.send(b"a\x81\x01b")
        await client.until(b"b")
        (record,) = bench.proxy_server.context.log
        assert record.is_websocket
        assert not record.ended_at
        if by == "restart":
            bench.restart()
        else:
            for end in (client, wire) if by == "client" else (wire, client):
                end.close()
        assert (await last(bench)).outcome == outcome
        assert record.response_bytes >= 4
        assert not record.can_be_replayed


@on_every_loop
async def test_request_to_the_admin_is_not_recorded() -> None:
    async with serving() as bench:
        client = await bench.client(get("/_hpp/status"))
        assert (await client.response()).status == 502
        assert list(bench.proxy_server.context.log) == []
