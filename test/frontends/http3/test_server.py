"""Start and shutdown of the HTTP/3 server: ports, certificates, Alt-Svc, draining."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.http3.server import alt_svc, open_http3
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http2_client import get
from test.frontends.http3_client import Http3Client, configuration, connected
from test.frontends.http3_fronts import CA, identity, serving_http3, write_certificate
from test.loops import eventually, on_every_loop
from test.ports import free_port

NO_ERROR, REJECTED = 0x100, 0x10B


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_every_loop
async def test_localhost_is_served_over_ipv4_and_ipv6(host: str) -> None:
    async with serving_http3(answering, "localhost") as front:
        client = await front.client(host=host)
        answer = await client.fetch()
        assert (answer.status, bytes(answer.body)) == (200, b"GET /")


@on_every_loop
async def test_server_issues_no_session_ticket() -> None:
    """0-RTT requests could be replayed."""
    config = configuration(CA.cert_pem.bytes())
    async with serving_http3(answering) as front:
        client = await front.client(config)
        client.quic._session_ticket_handler = lambda ticket: pytest.fail("a ticket")
        await client.fetch()
        await client.ping()


@on_every_loop
async def test_udp_port_in_use_raises_user_error(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::1", 0))
        address = Address("localhost", other.getsockname()[1])
        with pytest.raises(UserError, match=f"UDP port {address.port} is in use"):
            async with open_http3(address, identity(tmp_path), answering):
                pass


def test_alt_svc_has_port_and_max_age() -> None:
    assert alt_svc(8000, 3600) == b'h3=":8000"; ma=3600'
    assert alt_svc(443, 60) == b'h3=":443"; ma=60'
    assert alt_svc(8000, 0) == b"clear"


@on_every_loop
async def test_alt_svc_names_the_bound_port_unless_another_is_configured(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    who = identity(tmp_path)
    address = Address("127.0.0.1", free_port())
    async with open_http3(address, who, answering) as http3:
        assert http3.alt_svc == b'h3=":%d"; ma=3600' % address.port
    async with open_http3(address, who, answering, alt_svc_port=443, alt_svc_ma_s=5) as http3:
        assert http3.alt_svc == b'h3=":443"; ma=5'


@on_every_loop
async def test_reloaded_certificate_applies_to_new_connections_only(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    who = identity(tmp_path)
    address = Address("127.0.0.1", free_port())
    other = trustme.CA()
    trusting = configuration(CA.cert_pem.bytes())
    async with (
        open_http3(address, who, answering, drain_s=0),
        connected(address.port, trusting) as before,
    ):
        await before.fetch()
        write_certificate(tmp_path, other)
        who.look(pytest.fail)
        async with connected(address.port, configuration(other.cert_pem.bytes())) as after:
            assert (await after.fetch()).status == 200
        assert (await before.fetch()).status == 200
        async with connected(address.port, trusting, waits=False) as late:
            assert await late.ended() & 0xFF00 == 0x100  # a TLS alert


@pytest.mark.parametrize("kind", trustme.KeyType)
@on_every_loop
async def test_rsa_and_ecdsa_certificates_work(kind: trustme.KeyType, tmp_path: Path) -> None:
    leaf = CA.issue_cert("localhost", key_type=kind)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    address = Address("127.0.0.1", free_port())
    async with (
        open_http3(address, identity(tmp_path), answering, drain_s=0),
        connected(address.port, configuration(CA.cert_pem.bytes())) as client,
    ):
        assert (await client.fetch()).status == 200


class Ending:
    """An HTTP/3 server that the test shuts down while a client is connected."""

    def __init__(self, folder: Path, recorder: RecordingHandler, drain_s: float) -> None:
        write_certificate(folder)
        self._address = Address("127.0.0.1", free_port())
        self._http3 = open_http3(self._address, identity(folder), recorder, drain_s=drain_s)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Http3Client]:
        await self._http3.__aenter__()
        async with connected(self._address.port, configuration(CA.cert_pem.bytes())) as client:
            yield client

    async def end(self) -> None:
        await self._http3.__aexit__(None, None, None)


@on_every_loop
async def test_shutdown_refuses_new_requests_and_completes_open_ones(tmp_path: Path) -> None:
    recorder = RecordingHandler()
    ending = Ending(tmp_path, recorder, 10)
    async with ending.client() as client, asyncio.TaskGroup() as group:
        stream_id = await client.ask()
        sink = await recorder.sink()
        end = group.create_task(ending.end(), name="end")
        await eventually(lambda: client.goodbye is not None)
        assert client.goodbye == stream_id + 4
        late = await client.ask(get("/late"))
        assert await client.was_reset(late) == REJECTED
        assert not end.done()
        sink.answer(bytes(500_000))
        assert (await client.answer(stream_id)).size_bytes == 500_000
        assert await client.ended() == NO_ERROR
    assert len(recorder.sinks) == 1


@on_every_loop
async def test_shutdown_aborts_open_requests_when_drain_expires(tmp_path: Path) -> None:
    recorder = RecordingHandler()
    ending = Ending(tmp_path, recorder, 0.1)
    async with ending.client() as client:
        stream_id = await client.ask()
        sink = await recorder.sink()
        sink.stream.head(200, [])
        await client.head(stream_id)
        await ending.end()
        await sink.lost()
        assert await client.ended() == NO_ERROR
        assert not client.answers[stream_id].has_ended


@on_every_loop
async def test_connection_without_requests_does_not_delay_shutdown(tmp_path: Path) -> None:
    recorder = RecordingHandler()
    ending = Ending(tmp_path, recorder, 1000)
    async with ending.client() as client:
        stream_id = await client.ask()
        (await recorder.sink()).answer()
        await client.answer(stream_id)
        await ending.end()
        assert await client.ended() == NO_ERROR
