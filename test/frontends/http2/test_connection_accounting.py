"""The window of an HTTP/2 connection is whole after each kind of end of an upload.

A byte that is never returned would stall the connection in the end; one that is returned twice
would allow a client more than its window.
"""

from collections.abc import Awaitable, Callable

import pytest
from websockets.frames import Frame, Opcode

from httpprocessproxy.frontends.http2.connection import Http2Connection
from test.fakes import OK
from test.frontends.fronts import Front, fronting
from test.frontends.http2_client import Http2Client, get, websocket
from test.frontends.test_websockets import accept_websocket
from test.loops import eventually, on_every_loop

BODY = b"x" * 10_000
SIZED = (b"content-length", b"%d" % len(BODY))


def missing_bytes(connection: Http2Connection) -> int:
    """The bytes of the connection's window that were received and not returned."""
    window = connection._state._inbound_flow_control_window_manager
    return int(window.max_window_size - window.current_window_size - window._bytes_processed)


async def complete(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(get(method=b"POST"), BODY)
    await front.bench.backend.serve()
    assert (await client.answer(stream_id)).status == 200


async def answered_early(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(get("/", SIZED, method=b"POST"), None)
    peer = await front.bench.backend.accept()
    await peer.head()
    await peer.send(OK)
    assert (await client.answer(stream_id)).status == 200
    await client.upload(stream_id, BODY[:-1])
    await client.upload(stream_id, BODY[-1:], end=True)
    await peer.exactly(len(BODY))


async def answered_early_and_closed(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(get("/", SIZED, method=b"POST"), None)
    peer = await front.bench.backend.accept()
    await peer.head()
    await client.upload(stream_id, BODY[:100])
    await peer.exactly(100)
    await peer.send(b"HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert (await client.answer(stream_id)).status == 413
    await client.upload(stream_id, BODY[100:], end=True)


async def refused(front: Front, client: Http2Client) -> None:
    fields = [(b":authority", b"evil.example") if f[0] == b":authority" else f for f in get()]
    stream_id = await client.ask([(b":method", b"POST"), *fields[1:]], BODY)
    assert (await client.answer(stream_id)).status == 403


async def reset_by_the_client(front: Front, client: Http2Client) -> None:
    front.bench.gate.hold()
    stream_id = await client.ask(get(method=b"POST"), None)
    for _ in range(10):
        await client.upload(stream_id, BODY)
    await front.bench.held(1)
    await client.cancel(stream_id)
    await front.bench.held(0)
    front.bench.open()


async def restarted(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(get("/", SIZED, method=b"POST"), None)
    await client.upload(stream_id, BODY[:100])
    peer = await front.bench.backend.accept()
    await peer.until(b"x")
    front.bench.restart()
    assert (await client.answer(stream_id)).status == 502
    await client.upload(stream_id, BODY[100:], end=True)


async def closed_by_a_websocket(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(websocket(), None)
    await client.upload(stream_id, BODY)
    peer = await front.bench.backend.accept()
    await accept_websocket(peer)
    await peer.exactly(len(BODY))
    front.bench.restart()
    assert (await client.body(stream_id, 4))[2:] == (1012).to_bytes(2, "big")
    await client.upload(stream_id, Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=True), end=True)
    assert (await client.answer(stream_id)).has_ended


async def refused_websocket(front: Front, client: Http2Client) -> None:
    stream_id = await client.ask(websocket(), None)
    await client.upload(stream_id, BODY, end=True)
    await front.bench.backend.serve(b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno")
    assert (await client.answer(stream_id)).status == 403


ENDS = (
    *(complete, answered_early, answered_early_and_closed, refused, reset_by_the_client),
    *(restarted, closed_by_a_websocket, refused_websocket),
)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@on_every_loop
async def test_window_is_whole_after_the_end_of_an_upload(
    end: Callable[[Front, Http2Client], Awaitable[None]],
) -> None:
    async with fronting() as front:
        client = await front.client()
        await client.fetch_settings()
        await end(front, client)
        (connection,) = front.connections
        await eventually(lambda: not connection._streams)
        assert missing_bytes(connection) == 0
        await complete(front, client)
