"""Tunnels after 101: bytes both ways, ends of every kind, and Close at a restart."""

import pytest

from httpprocessproxy.proxy import tunnel
from test.fakes import ENDED, Bench, Peer, get, serving
from test.loops import eventually, on_every_loop

MUCH = 16 * 1024 * 1024
UPGRADE = get("/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
RAW = get("/socket", "Connection: Upgrade", "Upgrade: raw")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
CLOSE_1012 = b"\x88\x02\x03\xf4"
TEXT = b"\x81\x05hello"


async def opened(bench: Bench, request: bytes = UPGRADE) -> tuple[Peer, Peer]:
    """Open a tunnel and return its two ends."""
    client = await bench.client(request)
    wire = await bench.backend.accept()
    assert (await wire.request()).get(b"Upgrade") in (b"websocket", b"raw")
    await wire.send(SWITCH % (b"raw" if request is RAW else b"websocket"))
    assert (await client.response()).status == 101
    return client, wire


@on_every_loop
async def test_bytes_pass_in_both_directions() -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        for end, other in ((client, wire), (wire, client)):
            for piece in (b"a", b"\x00\xff", b"x" * 100_000):
                await end.send(piece)
                assert await other.exactly(len(piece)) == piece


@on_every_loop
async def test_bytes_sent_with_the_switch_are_passed_on() -> None:
    async with serving() as bench:
        client = await bench.client(UPGRADE + b"early from the client")
        wire, _ = await bench.backend.take()
        await wire.send(SWITCH % b"websocket" + b"early from the backend")
        assert (await client.response()).status == 101
        assert await client.exactly(22) == b"early from the backend"
        assert await wire.exactly(21) == b"early from the client"


@on_every_loop
async def test_upgrade_waits_for_the_backend() -> None:
    async with serving(is_open=False) as bench:
        client = await bench.client(UPGRADE)
        await bench.held(1)
        bench.start()
        wire, _ = await bench.backend.take()
        await wire.send(SWITCH % b"websocket")
        assert (await client.response()).status == 101


@on_every_loop
async def test_connection_of_a_declined_upgrade_stays_http() -> None:
    async with serving() as bench:
        client = await bench.client(UPGRADE)
        wire, _ = await bench.backend.serve()
        assert (await client.response()).body == b"ok"
        assert (await bench.exchange(client, wire, get("/next"))).body == b"ok"


@pytest.mark.parametrize("is_client", [True, False])
@on_every_loop
async def test_slow_reader_blocks_the_other_end(is_client: bool) -> None:
    async with serving(send_bytes=65536, receive_bytes=65536) as bench:
        client, wire = await opened(bench)
        sender, reader = (wire, client) if is_client else (client, wire)
        sent = await sender.send_until_stuck(b"x" * 65536)
        assert 0 < sent < MUCH
        assert await reader.exactly(sent) == b"x" * sent
        await sender.send(b"more")
        assert await reader.exactly(4) == b"more"


@on_every_loop
async def test_early_data_is_bounded_in_memory() -> None:
    async with serving(receive_bytes=4096) as bench:
        client = await bench.client(UPGRADE)
        wire, _ = await bench.backend.take()
        early = await client.send_until_stuck(b"x" * 65536)
        assert early < MUCH
        await wire.send(SWITCH % b"websocket")
        assert (await client.response()).status == 101
        assert early + await client.send_until_stuck(b"x" * 65536) < 2 * MUCH
        assert await wire.exactly(early) == b"x" * early


# Ends


@pytest.mark.parametrize("by_client", [True, False])
@on_every_loop
async def test_half_close_is_passed_on_and_the_other_direction_stays_open(by_client: bool) -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        first, second = (client, wire) if by_client else (wire, client)
        first.finish()
        assert await second.rest() == b""
        await second.send(b"still here")
        assert await first.exactly(10) == b"still here"
        second.finish()
        assert await first.rest() == b""
        # Both directions have ended, so the tunnel is removed.
        await eventually(lambda: not bench.proxy_server.context.tunnels)


@pytest.mark.parametrize("by_client", [True, False])
@on_every_loop
async def test_close_is_passed_on_as_close(by_client: bool) -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        first, second = (client, wire) if by_client else (wire, client)
        first.close()
        await second.assert_closed()
        second.close()
        await eventually(lambda: not bench.proxy_server.context.tunnels)


@pytest.mark.parametrize("by_client", [True, False])
@on_every_loop
async def test_reset_is_passed_on_as_reset(by_client: bool) -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        first, second = (client, wire) if by_client else (wire, client)
        first.reset()
        await second.assert_reset()
        await eventually(lambda: not bench.proxy_server.context.tunnels)


@pytest.mark.parametrize("by_client", [True, False])
@on_every_loop
async def test_reset_ends_a_tunnel_whose_other_end_is_blocked(by_client: bool) -> None:
    async with serving(send_bytes=65536, receive_bytes=65536) as bench:
        client, wire = await opened(bench)
        first, second = (client, wire) if by_client else (wire, client)
        await first.send_until_stuck(b"x" * 65536)
        second.reset()
        await first.rest()
        await eventually(lambda: not bench.proxy_server.context.tunnels)


# A restart


@on_every_loop
async def test_websocket_between_two_frames_gets_1012_at_a_restart() -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        await wire.send(TEXT)
        await client.exactly(len(TEXT))
        bench.stop()
        assert await wire.rest() == b""
        assert await client.exactly(4) == CLOSE_1012
        await client.send(
            b"\x81\x82maskto\x88\x82mask" + b"\x6e\x95"
        )  # the client's Close is not passed on
        await client.assert_closed()


@on_every_loop
async def test_websocket_before_its_first_frame_gets_1012_at_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tunnel, "CLOSE_TIMEOUT_S", 0.1)
    async with serving() as bench:
        client, _ = await opened(bench)
        bench.stop()
        assert await client.exactly(4) == CLOSE_1012
        # A client that does not respond is closed after the timeout.
        await client.assert_closed()


@pytest.mark.parametrize("part", [TEXT[:1], TEXT[:2], TEXT[:4], b"\x82\x7f" + bytes(5)])
@on_every_loop
async def test_websocket_inside_a_frame_is_reset_at_a_restart(part: bytes) -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        await wire.send(TEXT + part)
        await client.exactly(len(TEXT + part))
        bench.stop()
        await client.assert_reset()


@on_every_loop
async def test_websocket_after_a_close_frame_gets_no_other_at_a_restart() -> None:
    async with serving() as bench:
        client, wire = await opened(bench)
        await wire.send(b"\x88\x02\x03\xe8")
        await client.exactly(4)
        bench.stop()
        client.finish()
        await client.assert_closed()


@on_every_loop
async def test_tunnel_of_another_protocol_is_reset_at_a_restart() -> None:
    async with serving() as bench:
        client, _ = await opened(bench, RAW)
        bench.stop()
        await client.assert_reset()


@on_every_loop
async def test_websocket_with_a_frame_begun_by_the_switch_is_reset_at_a_restart() -> None:
    async with serving() as bench:
        client = await bench.client(UPGRADE)
        wire, _ = await bench.backend.take()
        await wire.send(SWITCH % b"websocket" + TEXT[:3])
        await client.response()
        await client.exactly(3)
        bench.stop()
        await client.assert_reset()


@on_every_loop
async def test_blocked_client_is_closed_at_a_restart() -> None:
    async with serving(send_bytes=4096) as bench:
        client, wire = await opened(bench)
        frame = b"\x82\x7f" + (1000).to_bytes(8, "big") + b"x" * 1000
        await wire.send_until_stuck(frame)
        bench.stop()
        await client.rest()  # ends by Close or reset, depending on the frame boundary


@on_every_loop
async def test_restart_ends_the_tunnels_of_its_generation_only() -> None:
    async with serving() as bench:
        await opened(bench)
        bench.stop()
        bench.end_generation()  # a second call has no effect
        bench.start()
        client, wire = await opened(bench)
        await wire.send(TEXT)
        assert await client.exactly(len(TEXT)) == TEXT


@on_every_loop
async def test_tunnels_delay_neither_a_kill_nor_other_requests() -> None:
    async with serving(is_open=False) as bench:
        clients = [await bench.client(UPGRADE) for _ in range(30)]
        await bench.held(30)
        bench.start()
        for _ in clients:
            wire, _ = await bench.backend.take()
            await wire.send(SWITCH % b"websocket")
        for client in clients:
            assert (await client.response()).status == 101
        await bench.gate.drained(100)
        bench.gate.refuse(lambda: ENDED)
        bench.end_generation()
        for client in clients:
            assert await client.exactly(4) == CLOSE_1012
