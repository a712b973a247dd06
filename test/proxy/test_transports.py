"""A close that nobody can take for an end, and one that no event tells of."""

import asyncio
import socket

import pytest

from httpprocessproxy.proxy.transports import is_gone, linger_none
from test.fakes import Listener
from test.loops import on_every_loop


@pytest.mark.parametrize("abruptly", [True, False])
@on_every_loop
async def test_a_close_is_a_reset_if_it_has_to_be(abruptly: bool) -> None:
    listener = Listener()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", listener.port)
    peer = await listener.accept()
    if abruptly:
        linger_none(transport)
    transport.abort()
    assert await peer.rest() == b""
    assert peer.was_reset == abruptly
    listener.close()


@on_every_loop
async def test_a_connection_that_is_gone_already_is_no_error() -> None:
    listener = Listener()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", listener.port)
    transport.abort()
    peer = await listener.accept()
    await peer.rest()
    linger_none(transport)
    listener.close()


@pytest.mark.parametrize("unread", [b"", b"x" * 1000])
@on_every_loop
async def test_a_unix_socket_tells_that_its_peer_is_gone_though_it_is_not_read(
    unread: bytes,
) -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
    transport.pause_reading()
    theirs.sendall(unread)
    assert is_gone(transport) is False
    theirs.shutdown(socket.SHUT_WR)
    assert is_gone(transport) is False  # it may wait for its answer
    theirs.close()
    assert is_gone(transport) is True
    transport.abort()
