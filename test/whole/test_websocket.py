"""WebSockets (RFC 6455) through the proxy: a tunnel that changes no byte."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from test.building import building, held
from test.deadline import MS, PATIENCE_S
from test.harness import Proxy, backend
from test.wire import Wire

if TYPE_CHECKING:
    from test.whole.conftest import Dialogue

HANDSHAKE = b"""GET / HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
\r
"""
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("project"), backend("websocket_echo.py")) as proxy:
        # The server closes on HEAD without a response; the readiness check must accept that.
        yield proxy.running()


def open_socket(proxy: Proxy, *subprotocols: str) -> ClientConnection:
    names = [Subprotocol(name) for name in subprotocols]
    url = f"ws://127.0.0.1:{proxy.port}/"
    return connect(url, subprotocols=names or None, proxy=None, max_size=None)


def test_messages_compression_and_subprotocol_pass(echo: Proxy) -> None:
    with open_socket(echo, "echo") as socket:
        assert socket.subprotocol == "echo"
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        for message in ("", "hello", "x" * 1_000_000, b"\x00" * 70_000):
            socket.send(message)
            assert socket.recv(PATIENCE_S) == message


def test_ping_is_answered_by_the_backend(echo: Proxy) -> None:
    with open_socket(echo) as socket:
        assert socket.ping("payload").wait(PATIENCE_S)


def test_close_code_and_reason_pass(echo: Proxy) -> None:
    with open_socket(echo) as socket:
        socket.send("close 4001")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")


def opened(dialogue: Dialogue) -> tuple[Wire, Wire]:
    """Open a tunnel; return both of its ends."""
    client = dialogue.send(
        b"GET /socket HTTP/1.1", b"Connection: keep-alive, Upgrade", b"Upgrade: websocket"
    )
    wire = dialogue.backend.next()
    request = wire.head()
    assert (request.get(b"Connection") or b"").lower() == b"upgrade"
    assert request.get(b"Upgrade") == b"websocket"
    wire.send(SWITCH)
    assert client.response().status == 101
    return client, wire


def test_bytes_after_101_pass_unchanged(dialogue: Dialogue) -> None:
    client, wire = opened(dialogue)
    client.send(b"\x00\xff\r\n\r\nnot HTTP")
    assert wire.exactly(14) == b"\x00\xff\r\n\r\nnot HTTP"
    wire.send(b"\x81\x02hi")
    assert client.exactly(4) == b"\x81\x02hi"


def test_bytes_in_the_same_segment_as_101_are_not_lost(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket")
    client.send(b"early")
    wire = dialogue.backend.next()
    wire.head()
    wire.send(SWITCH + b"at once")
    assert client.response().status == 101
    assert client.exactly(7) == b"at once"
    assert wire.exactly(5) == b"early"


def test_refused_upgrade_stays_http(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket")
    dialogue.backend.exchange(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert client.response().body == b"no"
    client.send(dialogue.head(b"GET /next HTTP/1.1"))
    assert dialogue.backend.exchange().target == b"/next"
    assert client.response().status == 200


def test_upgrade_without_connection_field_is_not_an_upgrade(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Upgrade: websocket")
    assert seen.get(b"Upgrade") is None


@pytest.mark.parametrize("end", ["finish", "reset"])
def test_end_of_one_side_ends_the_other(dialogue: Dialogue, end: str) -> None:
    client, wire = opened(dialogue)
    getattr(client, end)()
    left = time.monotonic()
    assert wire.ended()
    assert time.monotonic() - left < 1000 * MS
    client, wire = opened(dialogue)
    dialogue.backend.forget()
    assert client.ended(), "without a frame of the proxy: the backend ended without a close frame"


def test_1012_is_sent_at_a_frame_boundary_only(dialogue: Dialogue) -> None:
    """Inside an incomplete frame, 1012 would be read as data: then the connection just ends."""
    proxy = dialogue.proxy
    whole, whole_wire = opened(dialogue)
    half, half_wire = opened(dialogue)
    whole_wire.send(frame(b"whole"))
    half_wire.send(frame(b"x" * 100)[:50])
    assert whole.exactly(7) == frame(b"whole")
    assert half.exactly(50)
    with proxy.restart():
        proxy.save("a.py", "")
    rest = whole.rest()
    assert rest[0] == 0x88, "a close frame"
    assert int.from_bytes(rest[2:4], "big") == 1012
    assert half.ended()


@pytest.mark.parametrize("side", ["client", "backend"])
def test_half_closed_tunnel_does_not_disturb_a_restart(dialogue: Dialogue, side: str) -> None:
    client, wire = opened(dialogue)
    (client if side == "client" else wire).finish()
    if side == "client":
        assert wire.ended()
    with dialogue.proxy.restart():
        dialogue.proxy.save("a.py", side)
    assert dialogue.proxy.process.poll() is None


def frame(data: bytes) -> bytes:
    return Frame(Opcode.BINARY, data).serialize(mask=False)


def test_slow_reader_stops_the_sender(dialogue: Dialogue) -> None:
    client, wire = opened(dialogue)
    assert wire.fill(200 << 20) < 64 << 20
    assert len(client.exactly(1 << 20)) == 1 << 20


def test_upgrades_are_held_while_the_backend_starts(project: Path) -> None:
    command = backend("websocket_echo.py")
    with building(project, then=command) as proxy, proxy.connect() as wire:
        assert held(proxy, wire, HANDSHAKE).status == 101
        wire.send(Frame(Opcode.TEXT, b"hello").serialize(mask=True))
        answer = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
        assert wire.exactly(len(answer)) == answer
