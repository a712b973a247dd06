"""One QUIC connection: who is at its ends, and how long it lasts."""

import pytest

from httpprocessproxy.frontends.http3 import quic, quic_connection
from httpprocessproxy.frontends.http3 import server as http3
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http3_client import configuration
from test.frontends.http3_fronts import CA, ending_http3
from test.loops import eventually, on_every_loop


@on_every_loop
async def test_a_client_moves_and_keeps_its_requests() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder) as front:
        client = await front.client()
        before = await client.ask()
        visit = await recorder.visit()
        client.move()
        after = await client.ask()
        moved = await recorder.visit(1)
        assert moved.head.client != visit.head.client
        visit.answer(b"asked before")
        moved.answer(b"asked after")
        assert bytes((await client.answer(before)).body) == b"asked before"
        assert bytes((await client.answer(after)).body) == b"asked after"
        assert front.connections == 1


@on_every_loop
async def test_on_all_addresses_the_one_that_was_reached_is_known() -> None:
    recorder = RecordingHandler()
    async with ending_http3(recorder, "0.0.0.0") as front:
        client = await front.client()
        assert client.quic._retry_count == 1  # others can reach us
        await client.ask()
        assert (await recorder.visit()).head.server == ("127.0.0.1", front.port)


@on_every_loop
async def test_a_client_that_changes_its_connection_id_is_known() -> None:
    async with ending_http3(answering) as front:
        client = await front.client()
        await client.fetch()
        for _ in range(10):
            client.change_connection_id()
            assert (await client.fetch()).status == 200
        assert front.connections == 1


@on_every_loop
async def test_a_client_that_speaks_something_else_is_told() -> None:
    async with ending_http3(answering) as front:
        client = await front.client(configuration(CA.cert_pem.bytes(), ["hq-interop"]), waits=False)
        assert await client.ended() == 0x178  # RFC 7301: no_application_protocol


@on_every_loop
async def test_a_client_that_vanishes_is_forgotten() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3, "IDLE_TIMEOUT_S", 0.3)
        async with ending_http3(recorder) as front:
            client = await front.client()
            await client.ask()
            visit = await recorder.visit()
            client.vanish()
            await visit.lost()
            await eventually(lambda: front.connections == 0)


@on_every_loop
async def test_a_long_wait_for_a_response_keeps_the_connection() -> None:
    recorder = RecordingHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http3, "IDLE_TIMEOUT_S", 0.4)
        patch.setattr(quic, "PING_S", 0.1)
        async with ending_http3(recorder) as front:
            client = await front.client()
            stream_id = await client.ask()
            visit = await recorder.visit()
            loop = client._loop
            later = loop.time() + 1.2
            await eventually(lambda: loop.time() > later)
            visit.answer(b"at last")
            assert bytes((await client.answer(stream_id)).body) == b"at last"


@on_every_loop
async def test_a_handshake_that_does_not_go_on_is_given_up() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quic_connection, "HANDSHAKE_TIMEOUT_S", 0.2)
        async with ending_http3(answering) as front:
            client = await front.client(waits=False)
            client.deaf = True
            await eventually(lambda: front.connections == 1)
            client.vanish()
            await eventually(lambda: front.connections == 0)
