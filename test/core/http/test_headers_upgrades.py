"""Requests for an upgrade, as sent to the backend (RFC 9110 section 7.8)."""

import pytest

from test.core.http.heads import fields_of, sent


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        ([b"Upgrade: websocket"], b"websocket"),
        ([b"Upgrade: WebSocket, foo/2"], b"WebSocket, foo/2"),
        ([b"Upgrade: foo", b"Upgrade: bar"], b"foo, bar"),
        ([b"Upgrade: h2c, websocket", b"Upgrade: H2C"], b"websocket"),
        ([b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"], b""),
        ([b"Upgrade: ,"], b""),
        ([], b""),
    ],
)
def test_upgrade_is_sent_without_h2c(lines: list[bytes], upgrade: bytes) -> None:
    request = sent(b"Connection: keep-alive, Upgrade, HTTP2-Settings", *lines)
    assert request.upgrade == upgrade
    expected = [(b"Connection", b"Upgrade"), (b"Upgrade", upgrade)]
    assert fields_of(request) == (expected if upgrade else [])


def test_upgrade_without_option_or_in_http_1_0_is_ignored() -> None:
    assert sent(b"Upgrade: websocket").upgrade == b""
    old = sent(b"Upgrade: websocket", b"Connection: upgrade", line=b"GET / HTTP/1.0")
    assert (old.upgrade, fields_of(old)) == (b"", [])


def test_other_fields_of_a_websocket_handshake_pass() -> None:
    lines = [b"Sec-WebSocket-Key: x==", b"Sec-WebSocket-Extensions: permessage-deflate"]
    request = sent(b"Connection: Upgrade", b"Upgrade: websocket", *lines)
    assert fields_of(request)[:2] == [tuple(line.split(b": ")) for line in lines]
