"""Requests whose target goes to the backend without the path of their route."""

import dataclasses

import pytest

from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request, StrippedRequest
from test.core.http.heads import STRANGER, TRUSTED, VIA


def request(*lines: bytes, target: bytes = b"/api/x?y=1", is_trusted: bool = True) -> Request:
    reader = RequestReader(TRUSTED if is_trusted else STRANGER, VIA)
    first = b"GET %b HTTP/1.1" % target
    return reader.read(b"\r\n".join([first, b"Host: a", *lines, b"", b""]))


def prefixes(head: bytes) -> list[bytes]:
    _, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return [line for line in fields if line.lower().startswith(b"x-forwarded-prefix:")]


def test_backend_gets_the_stripped_target_and_the_prefix() -> None:
    plain = request(b"Accept: text/css")
    stripped = StrippedRequest.of(plain, b"/api")
    assert stripped.target == plain.target
    first, _, fields = stripped.head.partition(b"\r\n")
    assert first == b"GET /x?y=1 HTTP/1.1"
    sent = plain.head.partition(b"\r\n")[2].removesuffix(b"\r\n")
    assert fields == sent + b"X-Forwarded-Prefix: /api\r\n\r\n"


def test_stripped_request_differs_from_the_plain_one_in_its_head_alone() -> None:
    plain = request(b"Hpp-Sync: 1", b"Content-Length: 3", b"Upgrade: x", b"Connection: upgrade")
    stripped = StrippedRequest.of(plain, b"/api")
    names = [member.name for member in dataclasses.fields(Request)]
    assert [getattr(stripped, name) for name in names] == [getattr(plain, name) for name in names]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_prefix_of_a_trusted_peer_comes_first(is_trusted: bool) -> None:
    outer = b"X-Forwarded-Prefix: /outer"
    stripped = StrippedRequest.of(request(outer, is_trusted=is_trusted), b"/api")
    own = b"X-Forwarded-Prefix: /api"
    assert prefixes(stripped.head) == ([outer, own] if is_trusted else [own])


def test_stripped_request_that_is_stripped_again_gets_one_prefix() -> None:
    once = StrippedRequest.of(request(), b"/api")
    again = StrippedRequest.of(dataclasses.replace(once, keep_alive=False), b"/api")
    assert again.head == once.head
