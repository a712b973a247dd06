"""The bridge: forwarding fields, and kept connections."""

import asyncio
from ipaddress import IPv4Network, ip_network

import pytest

from httpprocessproxy.core.http.forwarded import Peer as Who
from httpprocessproxy.frontends import bridge as bridge_module
from httpprocessproxy.frontends.bridge import MAX_CONNECTING, MAX_KEPT, MAX_READERS
from httpprocessproxy.frontends.streams import Fields, StreamReset
from test.fakes import OK, Peer
from test.frontends.cores import asked, playing_core
from test.frontends.ends import RecordingStream
from test.frontends.fronts import bridging
from test.loops import eventually, on_every_loop, turn

HOST = b";host=localhost;proto=https"

# Forwarding fields


@pytest.mark.parametrize(
    ("ip", "element"),
    [("192.0.2.1", b"for=192.0.2.1" + HOST), ("2001:db8::1", b'for="[2001:db8::1]"' + HOST)],
)
@on_every_loop
async def test_core_gets_the_address_of_the_client(ip: str, element: bytes) -> None:
    async with playing_core() as core:
        core.get(asked(client=(ip, 50000)))
        request = await (await core.accept()).request()
        assert request.get(b"Forwarded") == element
        assert request.get(b"X-Forwarded-For") == ip.encode()
        assert request.get(b"X-Forwarded-Host") == b"localhost"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        assert (request.get(b"Via") or b"").startswith(b"2 http-process-proxy-")


FORWARDING: Fields = [
    (b"forwarded", b"for=198.51.100.7"),
    (b"x-forwarded-for", b"198.51.100.7"),
    (b"x-real-ip", b"198.51.100.7"),
    (b"x_forwarded_for", b"198.51.100.7"),
]


@on_every_loop
async def test_forwarding_fields_of_an_untrusted_client_are_dropped() -> None:
    async with playing_core(trusted=False) as core:
        core.get(asked(fields=FORWARDING))
        request = await (await core.accept()).request()
        assert all(b"198.51.100.7" not in value for _, value in request.headers)


@on_every_loop
async def test_forwarding_fields_of_a_trusted_client_are_passed_on() -> None:
    async with playing_core() as core:
        core.get(asked(fields=FORWARDING))
        request = await (await core.accept()).request()
        forwarded = b"for=198.51.100.7, for=192.0.2.1" + HOST
        assert request.get(b"Forwarded") == forwarded
        assert request.get(b"X-Forwarded-For") == b"198.51.100.7, 192.0.2.1"


@pytest.mark.parametrize(
    ("trusted", "value", "passed"),
    [(True, b"1", b"1"), (True, b"0", None), (False, b"1", None)],
    ids=["asked", "not asked", "not trusted"],
)
@on_every_loop
async def test_hpp_sync_of_a_trusted_peer_reaches_the_core(
    trusted: bool, value: bytes, passed: bytes | None
) -> None:
    async with playing_core(trusted=trusted) as core:
        for _ in range(2):  # the second head comes from the reader's cache
            core.get(asked(fields=[(b"hpp-sync", value), (b"x-a", b"b")]))
            peer, request = await core.take()
            assert request.get(b"Hpp-Sync") == passed
            assert request.get(b"X-A") == b"b"
            peer.close()


@pytest.mark.parametrize(
    ("trusted", "generation"),
    [((ip_network("127.0.0.0/8"),), b"1"), ((ip_network("192.0.2.0/24"),), None)],
)
@on_every_loop
async def test_generation_is_sent_to_trusted_clients_only(
    trusted: tuple[IPv4Network], generation: bytes | None
) -> None:
    async with bridging(trusted=trusted) as (bench, bridge):
        stream = RecordingStream()
        bridge(asked(client=("127.0.0.1", 50000)), stream).end()
        await bench.backend.serve()
        await eventually(lambda: stream.has_ended)
        assert dict(stream.fields).get(b"hpp-generation") == generation


@on_every_loop
async def test_trust_is_decided_for_each_client_address() -> None:
    async with playing_core() as core:
        core.bridge._peer = lambda ip: Who(ip, ip == "192.0.2.1", b"https")
        for number in range(MAX_READERS + 10):
            core.get(asked(fields=FORWARDING, client=(f"203.0.113.{number}", 1)))
            request = await (await core.accept()).request()
            assert request.get(b"X-Forwarded-For") == b"203.0.113.%d" % number
        core.get(asked(fields=FORWARDING))
        request = await (await core.accept()).request()
        assert request.get(b"X-Forwarded-For") == b"198.51.100.7, 192.0.2.1"


# Connections


async def answered(count: int, peers: list[Peer]) -> None:
    for peer in peers[:count]:
        await peer.request()
        await peer.send(OK)


@on_every_loop
async def test_number_of_kept_connections_is_limited() -> None:
    async with playing_core() as core:
        streams = [core.get()[1] for _ in range(MAX_KEPT + 5)]
        peers = [await core.accept() for _ in streams]
        await answered(len(peers), peers)
        await eventually(lambda: all(stream.has_ended for stream in streams))
        await eventually(lambda: len(core.bridge.connections) == MAX_KEPT)


@on_every_loop
async def test_connection_used_last_is_reused_first() -> None:
    async with playing_core() as core:
        streams = [core.get()[1] for _ in range(3)]
        peers = [await core.accept() for _ in streams]
        for peer, stream in zip(peers, streams, strict=True):
            await peer.request()
            await peer.send(OK)
            await eventually(lambda: stream.has_ended)  # noqa: B023
        core.get()
        assert (await peers[-1].request()).method == b"GET"


@on_every_loop
async def test_kept_connection_is_closed_after_its_timeout() -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(bridge_module, "KEPT_S", 0.05)
    with patch.context():
        async with playing_core() as core:
            first = await core.kept()
            assert await first.rest() == b""
            second = await core.kept()
            assert await second.rest() == b""
            assert not core.bridge.connections
    patch.undo()


@on_every_loop
async def test_connection_closed_by_the_core_is_not_reused() -> None:
    async with playing_core() as core:
        peer = await core.kept()
        peer.close()
        await eventually(lambda: not core.bridge.connections)
        core.get()
        await (await core.accept()).request()


@on_every_loop
async def test_more_requests_than_fit_into_the_listen_queue_are_answered() -> None:
    async with playing_core() as core:
        streams = [core.get()[1] for _ in range(4 * MAX_CONNECTING)]

        async def serve() -> None:
            for _ in streams:
                peer, _ = await core.take()
                await peer.send(OK)

        await serve()
        await eventually(lambda: all(stream.has_ended for stream in streams))


@on_every_loop
async def test_requests_wait_while_the_listen_queue_is_full() -> None:
    async with playing_core(backlog=1) as core:
        streams = [core.get()[1] for _ in range(8)]
        for _ in range(20):
            await turn()
        assert not any(stream.is_over for stream in streams)
        for _ in streams:
            peer, _ = await core.take()
            await peer.send(OK)
        await eventually(lambda: all(stream.has_ended for stream in streams))


@on_every_loop
async def test_exit_of_the_bridge_resets_open_requests() -> None:
    async with playing_core() as core:
        await core.kept()
        _, kept = core.get()
        _, unsafe = core.get(asked(b"POST"))
        await (await core.accept()).request()
        _, unconnected = core.get()
        await asyncio.sleep(0)
    assert kept.why is unsafe.why is StreamReset.INTERNAL
    assert not unconnected.has_ended
