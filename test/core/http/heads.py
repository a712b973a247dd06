"""Requests and responses that pass through `headers.py`, for its tests."""

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import outgoing_request, outgoing_response
from httpprocessproxy.core.http.http1 import Fields, parse_request, parse_response
from httpprocessproxy.core.http.request import Request, Response
from test.core.http.strict import read_head

TRUSTED = Peer("192.0.2.1", trusted=True)
TRUSTING = Peer("192.0.2.1", trusted=True, trusts=lambda node: True)
STRANGER = Peer("192.0.2.1", trusted=False)
VISITOR = Peer(None, trusted=True, is_for_visitors=True)
VIA = b"1.1 proxy-1"
FORWARDED_NAMES = {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}


def sent(
    *lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a", peer: Peer = TRUSTED
) -> Request:
    """Return a request as it goes to the backend; `host` is its first field line."""
    head = [line, *([host] if host else []), *lines, b"", b""]
    return outgoing_request(parse_request(b"\r\n".join(head)), peer, VIA)


def fields_of(request: Request) -> Fields:
    """Return the fields sent to the backend, without Host, Via and the forwarding fields."""
    _, fields = read_head(request.head)
    assert fields[0] == (b"Host", request.host)
    ours = FORWARDED_NAMES | {b"via"}
    return [field for field in fields[1:] if field[0].lower() not in ours]


def values(request: Request, name: bytes) -> list[bytes]:
    _, fields = read_head(request.head)
    return [value for field, value in fields if field.lower() == name.lower()]


def refusal(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> int:
    with pytest.raises(RequestError) as caught:
        sent(*lines, line=line, host=host)
    return caught.value.status


def answered(head: bytes, request: Request) -> Response:
    return outgoing_response(parse_response(head + b"\r\n\r\n"), request)
