"""Helpers for tests of exchanges: pending requests, and assertions about the next one."""

import socket

from test.fakes import Bench, Listener, Peer, get
from test.loops import turn

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
MUCH = 16 * 1024 * 1024
SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"]
UNSAFE = ["POST", "PUT", "DELETE", "PATCH"]


async def asked(bench: Bench, request: bytes) -> tuple[Peer, Peer]:
    """Return a client, and the backend's connection after the head of its request arrived."""
    client = await bench.client(request)
    wire = await bench.backend.accept()
    await wire.head()
    return client, wire


async def assert_next_is(bench: Bench, target: str) -> None:
    """Assert that the next request at the backend has this target."""
    _, request = await bench.backend.serve()
    assert request.target == target.encode()


async def assert_goes_on(bench: Bench, client: Peer) -> None:
    """Assert that the client's connection serves another request."""
    await client.send(get("/goes-on"))
    await assert_next_is(bench, "/goes-on")
    assert (await client.response()).status == 200


async def fill(listener: Listener) -> list[Peer]:
    """Fill the backlog of a listener, so that the next connection to it has to wait."""
    peers: list[Peer] = []
    while True:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", listener.port))
        await turn()
        try:
            connection.getpeername()
        except OSError:
            connection.close()
            return peers
        peers.append(Peer(connection))
