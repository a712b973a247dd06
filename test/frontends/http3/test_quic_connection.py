"""One QUIC connection: its addresses, its connection IDs and its timeouts."""

import pytest

from httpprocessproxy.frontends.http3 import quic, quic_connection
from httpprocessproxy.frontends.http3 import server as http3
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http3_client import configuration
from test.frontends.http3_fronts import CA, serving_http3
from test.loops import eventually, on_every_loop


@on_every_loop
async def test_requests_survive_the_migration_of_a_client() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        before = await client.ask()
        sink = await recorder.sink()
        client.move()
        after = await client.ask()
        moved = await recorder.sink(1)
        assert moved.head.client != sink.head.client
        sink.answer(b"asked before")
        moved.answer(b"asked after")
        assert bytes((await client.answer(before)).body) == b"asked before"
        assert bytes((await client.answer(after)).body) == b"asked after"
        assert front.connections == 1


@on_every_loop
async def test_server_address_is_the_reached_one_when_bound_to_all() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder, "0.0.0.0") as front:
        client = await front.client()
        assert client.quic._retry_count == 1  # the address is not loopback
        await client.ask()
        assert (await recorder.sink()).head.server == ("127.0.0.1", front.port)


@on_every_loop
async def test_connection_survives_changes_of_its_connection_id() -> None:
    async with serving_http3(answering) as front:
        client = await front.client()
        await client.fetch()
        for _ in range(10):
            client.change_connection_id()
            assert (await client.fetch()).status == 200
        assert front.connections == 1


@on_every_loop
async def test_unknown_alpn_protocol_closes_the_connection() -> None:
    async with serving_http3(answering) as front:
        client = await front.client(configuration(CA.cert_pem.bytes(), ["hq-interop"]), waits=False)
        assert await client.ended() == 0x178  # RFC 7301: no_application_protocol


@on_every_loop
async def test_connection_of_a_vanished_client_ends_at_the_idle_timeout() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3, "IDLE_TIMEOUT_S", 0.3)
        async with serving_http3(recorder) as front:
            client = await front.client()
            await client.ask()
            sink = await recorder.sink()
            client.vanish()
            await sink.lost()
            await eventually(lambda: front.connections == 0)


@on_every_loop
async def test_pending_response_keeps_the_connection_open_beyond_the_idle_timeout() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3, "IDLE_TIMEOUT_S", 0.4)
        patch.setattr(quic, "PING_S", 0.1)
        async with serving_http3(recorder) as front:
            client = await front.client()
            stream_id = await client.ask()
            sink = await recorder.sink()
            loop = client._loop
            later = loop.time() + 1.2
            await eventually(lambda: loop.time() > later)
            sink.answer(b"at last")
            assert bytes((await client.answer(stream_id)).body) == b"at last"


@on_every_loop
async def test_stalled_handshake_ends_at_its_timeout() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quic_connection, "HANDSHAKE_TIMEOUT_S", 0.2)
        async with serving_http3(answering) as front:
            client = await front.client(waits=False)
            client.deaf = True
            await eventually(lambda: front.connections == 1)
            client.vanish()
            await eventually(lambda: front.connections == 0)
