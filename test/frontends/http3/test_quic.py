"""The QUIC endpoint: datagrams of unauthenticated senders, and the limits on connections."""

import asyncio
import os
import random
import socket

import pytest
import uvloop
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicPacketType, QuicProtocolVersion, pull_quic_header

from httpprocessproxy.config import Address
from httpprocessproxy.frontends.http3 import quic
from httpprocessproxy.frontends.http3.udp import bind_udp
from test.deadline import PATIENCE_S
from test.frontends.ends import RecordingHandler, answering
from test.frontends.http3_client import bound_socket, configuration
from test.frontends.http3_fronts import CA, Front, serving_http3
from test.loops import eventually, on_every_loop, turn
from test.ports import free_port


def trust() -> QuicConfiguration:
    return configuration(CA.cert_pem.bytes())


def initial(version: int, size_bytes: int = 1200) -> bytes:
    """Make a datagram that looks like a client's first one, but fails decryption."""
    ids = b"\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
    start = b"\xc0" + version.to_bytes(4, "big") + ids + b"\x00"
    rest = size_bytes - len(start) - 2
    return start + (0x4000 | rest).to_bytes(2, "big") + os.urandom(rest)


async def connections(front: Front, count: int) -> None:
    await eventually(lambda: front.connections == count)


async def answered(front: Front, datagram: bytes) -> bytes:
    """Send a datagram, and wait for the response."""
    loop = asyncio.get_running_loop()
    with bound_socket() as sock:
        sock.sendto(datagram, ("127.0.0.1", front.port))
        return await loop.sock_recv(sock, 65536)


@on_every_loop
async def test_invalid_datagrams_create_no_connection() -> None:
    chance = random.Random(3)
    async with serving_http3(answering) as front:
        client = await front.client()
        known_id = client.quic._peer_cid.cid
        with bound_socket() as sock:
            for _ in range(500):
                size = chance.choice([0, 1, 7, 30, 1199, 1200, 1500])
                noise = chance.randbytes(size)
                begin = chance.choice([b"", b"\xc0\0\0\0\1", b"\x40" + known_id, b"\xc0\0\0\0\0"])
                sock.sendto(begin + noise, ("127.0.0.1", front.port))
                sock.sendto(initial(QuicProtocolVersion.VERSION_1), ("127.0.0.1", front.port))
                await turn()
        assert (await client.fetch()).status == 200
        assert front.connections == 1
        assert not front.http3.endpoints[0]._handshakes


@on_every_loop
async def test_invalid_frames_in_valid_packets_do_not_affect_other_connections() -> None:
    """They close the connection that they were sent on."""
    async with serving_http3(answering) as front:
        other = await front.client()
        chance = random.Random(4)
        for _ in range(20):
            client = await front.client()
            for stream_id in (0, 2, 6, 10, 4, 8):
                noise = chance.randbytes(chance.randrange(1, 3000))
                client.quic.send_stream_data(stream_id, noise)
            client.transmit()
        assert (await other.fetch()).status == 200


@on_every_loop
async def test_unknown_version_gets_the_supported_versions() -> None:
    async with serving_http3(answering) as front:
        header = pull_quic_header(Buffer(data=await answered(front, initial(0x1A2A3A4A))), 8)
        assert header.packet_type is QuicPacketType.VERSION_NEGOTIATION
        assert header.supported_versions == [QuicProtocolVersion.VERSION_1]
        with bound_socket() as sock:  # smaller than its response would be
            sock.sendto(initial(0x1A2A3A4A, 100), ("127.0.0.1", front.port))
            await answered(front, initial(0x1A2A3A4A))
            with pytest.raises(BlockingIOError):
                sock.recv(2000)


@on_every_loop
async def test_client_has_to_validate_its_address_unless_bound_to_loopback() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Address, "is_loopback", False)
        async with serving_http3(answering) as front:
            first = initial(QuicProtocolVersion.VERSION_1)
            header = pull_quic_header(Buffer(data=await answered(front, first)), 8)
            assert header.packet_type is QuicPacketType.RETRY
            assert front.connections == 0
            client = await front.client()
            assert client.quic._retry_count == 1
            assert (await client.fetch()).status == 200
            # A client with a token of another server is accepted.
            config = trust()
            config.token = b"a token of somebody else's"
            assert (await (await front.client(config)).fetch()).status == 200


@on_every_loop
async def test_retry_token_is_valid_only_for_its_address() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Address, "is_loopback", False)
        async with serving_http3(answering) as front:
            first = initial(QuicProtocolVersion.VERSION_1)
            token = pull_quic_header(Buffer(data=await answered(front, first)), 8).token
            stolen = first[:23] + (0x4000 | len(token)).to_bytes(2, "big") + token
            stolen += (0x4000 | 1200).to_bytes(2, "big") + bytes(1200)
            header = pull_quic_header(Buffer(data=await answered(front, stolen)), 8)
            assert header.packet_type is QuicPacketType.RETRY
            assert front.connections == 0


@on_every_loop
async def test_many_handshakes_require_retry_and_above_the_limit_are_ignored() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quic, "RETRY_ABOVE_HANDSHAKES", 2)
        patch.setattr(quic, "MAX_HANDSHAKES", 3)
        async with serving_http3(answering) as front:
            slow = []
            for number in range(2):
                slow.append(await front.client(waits=False))
                slow[-1].deaf = True
                await connections(front, number + 1)
            client = await front.client()
            assert client.quic._retry_count == 1
            slow.append(await front.client(waits=False))
            slow[-1].deaf = True
            await turn()
            assert front.connections == 3
            for one in slow:
                one.deaf = False
            assert (await client.fetch()).status == 200


@on_every_loop
async def test_connection_above_the_limit_waits_until_another_closes() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quic, "MAX_CONNECTIONS", 2)
        async with serving_http3(answering) as front:
            first, second = await front.client(), await front.client()
            third = await front.client(waits=False)
            assert (await first.fetch()).status == 200
            assert front.connections == 2
            second.leave()
            await third.wait_connected()  # its QUIC stack retransmits
            assert (await third.fetch()).status == 200


def test_a_thousand_connections_leave_no_descriptor_or_task() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(a_thousand_connections(), 3 * PATIENCE_S))


async def a_thousand_connections() -> None:
    recorder = RecordingHandler()
    async with serving_http3(recorder) as front:
        client = await front.client()
        await client.ask()
        before = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        for number in range(1000):
            one = await front.client()
            await one.ask()
            await recorder.sink(number + 1)
            one.leave()
        await connections(front, 1)
        assert (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())) == before
        assert [sink.resets for sink in recorder.sinks] == [0] + [1] * 1000


def test_udp_port_cannot_be_bound_twice() -> None:
    """The datagrams would be distributed among both sockets."""
    (sock,) = bind_udp(Address("127.0.0.1", free_port()))
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(sock.getsockname())
