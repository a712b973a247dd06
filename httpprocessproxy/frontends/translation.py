"""Translation of HTTP/2 and HTTP/3 heads to HTTP/1.1 and back (RFC 9113 section 8, RFC 9114 4).

A request is checked here with the same rules as in the data plane, `core.http.http1` and
`core.http.headers`: a field value cannot inject a line, and forwarding fields of an untrusted
client are dropped.
"""

import base64
import hashlib
import secrets
from functools import lru_cache
from typing import Final

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.streams import NOT_PASSED, Fields, Head

CHUNKED: Final = ((b"transfer-encoding", b"chunked"),)
UPGRADE: Final = ((b"connection", b"Upgrade"), (b"upgrade", b"websocket"))

# The cache of 256 heads takes 1 MB at most.
MAX_CACHED_HEAD_BYTES: Final = 4096

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


def has_length(head: Head) -> bool:
    """Whether a request has a Content-Length."""
    return any(name == b"content-length" for name, _ in head.fields)


def fields_of(head: bytes) -> tuple[int, Fields]:
    """Return the status and the fields of a response's head in HTTP/1.1, in lower case.

    Hop-by-hop fields and Alt-Svc are left out. The head needs no empty line at its end.
    """
    return _cached_fields(head) if len(head) <= MAX_CACHED_HEAD_BYTES else _fields(head)


def spelled_fields_of(head: bytes) -> tuple[int, Fields]:
    """Return the same, with names as spelled in the head."""
    return _cached_spelled(head) if len(head) <= MAX_CACHED_HEAD_BYTES else _spelled_fields(head)


def _fields(head: bytes) -> tuple[int, Fields]:
    status, fields = _spelled_fields(head)
    return status, tuple((name.lower(), value) for name, value in fields)


def _spelled_fields(head: bytes) -> tuple[int, Fields]:
    status_line, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines if line)
    fields = ((name, value.strip()) for name, _, value in pairs)
    passing = tuple(field for field in fields if field[0].lower() not in NOT_PASSED)
    return int(status_line[9:12]), passing


# A polling client gets the same head repeatedly, except for the Date of each second.
_cached_fields = lru_cache(maxsize=256)(_fields)
_cached_spelled = lru_cache(maxsize=256)(_spelled_fields)


def upgrade(protocol: bytes) -> tuple[bytes, Fields]:
    """Return the key and the fields of a WebSocket handshake in HTTP/1.1 (RFC 8441 section 5).

    Raises RequestError (501) for any other protocol (RFC 9220 section 3).
    """
    if protocol != b"websocket":
        raise RequestError(501, "an extended CONNECT to anything but a WebSocket")
    key = base64.b64encode(secrets.token_bytes(16))
    return key, (*UPGRADE, (b"sec-websocket-key", key))


def accepted(fields: Fields, key: bytes) -> Fields | None:
    """Return the fields of a 101 without Sec-WebSocket-Accept; None if it does not match `key`.

    Clients of HTTP/2 and HTTP/3 do not use a key (RFC 8441 section 5).
    """
    answer = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())
    if (b"sec-websocket-accept", answer) not in fields:
        return None
    return [field for field in fields if field[0] != b"sec-websocket-accept"]
