"""Socket operations: close with RST, and detection of a closed peer without reading."""

import asyncio
import socket

import pytest

from httpprocessproxy.proxy.transports import is_gone, linger_none
from test.fakes import Listener
from test.loops import on_every_loop


@pytest.mark.parametrize("abruptly", [True, False])
@on_every_loop
async def test_close_after_linger_none_is_a_reset(abruptly: bool) -> None:
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
async def test_linger_none_on_a_closed_connection_raises_no_error() -> None:
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
async def test_closed_peer_of_an_unread_unix_socket_is_detected(
    unread: bytes,
) -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
    transport.pause_reading()
    theirs.sendall(unread)
    assert is_gone(transport) is False
    theirs.shutdown(socket.SHUT_WR)
    assert is_gone(transport) is False  # it may wait for its response
    theirs.close()
    assert is_gone(transport) is True
    transport.abort()
