"""The conversion between WebSocket frames and ASGI events."""

import pytest
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode

from httpprocessproxy.asgi.channel import MAX_MESSAGE_BYTES, WebSocketChannel
from test.asgi.websocket_client import OFFER, Client, texts

OFFERED = [(b"sec-websocket-extensions", OFFER)]


def end(code: int, reason: str = "") -> dict[str, object]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def test_messages_become_events_and_events_become_messages() -> None:
    channel, client = WebSocketChannel([]), Client()
    client.send_text(b"one")
    client.send_binary(b"\xff")
    client.send_text(b"", fin=True)
    assert channel.receive(client.output()) == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"\xff"},
        {"type": "websocket.receive", "text": ""},
    ]
    channel.send({"type": "websocket.send", "text": "é"})
    channel.send({"type": "websocket.send", "bytes": b"\x00", "text": None})
    frames = client.fed(channel.output())
    assert [(frame.opcode, bytes(frame.data)) for frame in frames] == [
        (Opcode.TEXT, "é".encode()),
        (Opcode.BINARY, b"\x00"),
    ]


def test_fragmented_message_cut_at_any_byte_is_one_event() -> None:
    client = Client()
    client.send_text("hé".encode()[:2], fin=False)
    client.send_ping(b"alive")
    client.send_continuation("hé".encode()[2:], fin=True)
    data = client.output()
    for at in range(len(data)):
        channel = WebSocketChannel([])
        events = [*channel.receive(data[:at]), *channel.receive(data[at:])]
        assert events == [{"type": "websocket.receive", "text": "hé"}]
        (pong,) = Client().fed(channel.output())
        assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"alive")


def test_compression_is_accepted_if_the_client_offers_it() -> None:
    assert WebSocketChannel([]).extension is None
    channel = WebSocketChannel(OFFERED)
    assert channel.extension is not None
    client = Client(channel.extension.encode())
    assert channel.receive(client.text("x" * 1000))[0]["text"] == "x" * 1000
    channel.send({"type": "websocket.send", "text": "y" * 1000})
    output = channel.output()
    assert len(output) < 100
    assert texts(client.fed(output)) == ["y" * 1000]


def test_malformed_offer_of_extensions_is_an_invalid_handshake() -> None:
    with pytest.raises(InvalidHandshake):
        WebSocketChannel([(b"sec-websocket-extensions", b"=,;")])


def test_close_frame_of_the_client_is_a_disconnect_and_is_answered() -> None:
    channel, client = WebSocketChannel([]), Client()
    assert channel.receive(client.closing(4001, "enough")) == [end(4001, "enough")]
    assert channel.has_closed
    client.fed(channel.output())
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == 4001
    assert channel.receive_end() == []


def test_close_by_the_application_ends_the_channel() -> None:
    channel, client = WebSocketChannel([]), Client()
    late = client.text("late")
    assert channel.close(1001, "bye") == [end(1001, "bye")]
    assert channel.has_closed
    client.fed(channel.output())
    assert client.close_rcvd is not None
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (1001, "bye")
    assert channel.receive(late + client.output()) == []
    assert channel.close(1000, "") == []


def test_client_that_leaves_without_a_close_frame_is_a_disconnect_with_1006() -> None:
    channel = WebSocketChannel([])
    assert channel.receive_end() == [end(1006)]
    assert channel.receive_end() == []
    assert channel.close(1000, "") == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=True), 1007),
        (Frame(Opcode.CONT, b"x").serialize(mask=True), 1002),
        (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
        (b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"), 1009),
    ],
    ids=["not UTF-8", "nothing to continue", "not masked", "too large"],
)
def test_violation_of_the_protocol_closes_with_its_code(data: bytes, code: int) -> None:
    channel, client = WebSocketChannel([]), Client()
    (event,) = channel.receive(data)
    assert (event["type"], event["code"]) == ("websocket.disconnect", code)
    client.fed(channel.output())
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == code
