"""Translation of HTTP/2 and HTTP/3 heads to HTTP/1.1 and back (RFC 9113 section 8, RFC 9114 4).

A request is checked here with the same rules as in the data plane, `core.http.http1` and
`core.http.headers`: a field value cannot inject a line, and forwarding fields of an untrusted
client are dropped.
"""

import base64
import hashlib
import secrets
from typing import Final

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.headers import HOP_BY_HOP, SYNC
from httpprocessproxy.core.http.http1 import ResponseHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.frontends.streams import Fields, Head

CHUNKED: Final = ((b"transfer-encoding", b"chunked"),)

# RFC 6455 section 4.2.2.
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def request_head(head: Head, extra: Fields) -> bytes:
    """Serialise a request's head in HTTP/1.1, with `extra` fields. Raises RequestError."""
    method = b"GET" if head.protocol else head.method
    lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, head.path, head.authority)]
    lines += [b"%b: %b\r\n" % field for field in head.fields]
    lines += [b"%b: %b\r\n" % field for field in extra]
    raw = b"".join(lines)
    if not raw.count(b"\r") == raw.count(b"\n") == len(lines) + 1:
        raise RequestError(400, "a line end within a field")
    return raw + b"\r\n"


def core_head(request: Request) -> bytes:
    """Return the head to send to the data plane, with `Hpp-Sync: 1` if the client sent it."""
    if not request.wants_fence:
        return request.head
    return request.head[:-2] + b"%b: 1\r\n\r\n" % SYNC


def response_fields(head: ResponseHead) -> list[tuple[bytes, bytes]]:
    """Return a response's fields in lower case, without the connection-specific ones."""
    lower = ((name.lower(), value) for name, value in head.fields)
    return [field for field in lower if field[0] not in HOP_BY_HOP]


def upgrade(protocol: bytes) -> tuple[bytes, Fields]:
    """Return the key and the fields of a WebSocket handshake in HTTP/1.1 (RFC 8441 section 5).

    Raises RequestError (501) for any other protocol (RFC 9220 section 3).
    """
    if protocol != b"websocket":
        raise RequestError(501, "an extended CONNECT to anything but a WebSocket")
    key = base64.b64encode(secrets.token_bytes(16))
    fields = (
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-key", key),
    )
    return key, fields


def accepted(head: ResponseHead, key: bytes) -> Fields | None:
    """Return the fields of a 101 without Sec-WebSocket-Accept; None if it does not match `key`.

    Clients of HTTP/2 and HTTP/3 do not use a key (RFC 8441 section 5).
    """
    fields = response_fields(head)
    answer = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())
    if (b"sec-websocket-accept", answer) not in fields:
        return None
    return [field for field in fields if field[0] != b"sec-websocket-accept"]
