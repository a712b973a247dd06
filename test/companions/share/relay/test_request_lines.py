"""Request lines on a connection to the relay: valid ones pass, malformed ones are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.share.relay.request_lines import RequestLines
from test.companions.share.relays import Relay, host_of
from test.companions.share.workers import shared

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 19\r\n\r\nGET  /x HTTP/0.9\r\n\r"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"c;x=y\r\nGET  /x\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
)

BAD = [
    (b"GET /x\r\n", 400),
    (b"POST /x_HTTP/1.1\r\n", 400),
    (b"GET /x HTTP/0.9\r\n", 505),
    (b"GET /x HTTP/2.0\r\n", 505),
    (b"GET  /x HTTP/1.1\r\n", 400),
    (b"GET /x  HTTP/1.1\r\n", 400),
    (b" GET /x HTTP/1.1\r\n", 400),
    (b"GET /x HTTP/1.1 \r\n", 400),
    (b"GET\t/x HTTP/1.1\r\n", 400),
    (b"GET /x y HTTP/1.1\r\n", 400),
    (b"GET /x HTTP/1.1\n", 400),
    (b"GET /x http/1.1\r\n", 400),
    (b"GET /" + b"x" * 16_384 + b" HTTP/1.1\r\n", 414),
]


@given(st.lists(st.sampled_from([GET, POST, CHUNKED, b"\r\n"]), max_size=5), st.integers(1, 60))
def test_good_requests_pass_byte_for_byte_however_they_are_cut(
    requests: list[bytes], size: int
) -> None:
    lines, data = RequestLines(), b"".join(requests)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(map(lines.feed, pieces)) == data
    assert lines.refusal is None


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("before", [b"", GET, POST, CHUNKED, b"\r\n"])
@pytest.mark.parametrize(("line", "status"), BAD)
def test_malformed_line_is_refused_at_any_position(
    line: bytes, status: int, before: bytes, size: int
) -> None:
    lines, data = RequestLines(), before + line + b"Host: a\r\n\r\n" + GET
    passed = b"".join(lines.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert lines.refusal is not None
    assert lines.refusal.status == status
    assert passed.lstrip().startswith(before.lstrip())
    assert b"Host: a" not in passed[len(before) :]


@pytest.mark.parametrize(("line", "status"), BAD)
def test_relay_answers_a_malformed_line_and_closes(
    public_relay: Relay, site: str, line: bytes, status: int
) -> None:
    with shared(public_relay, site), public_relay.connect() as wire:
        wire.send(line + f"Host: {host_of(site)}\r\n\r\n".encode())
        assert wire.response().status == status
        assert wire.rest() == b""


def test_relay_answers_the_request_before_a_malformed_line(public_relay: Relay, site: str) -> None:
    host = f"Host: {host_of(site)}\r\n\r\n".encode()
    with shared(public_relay, site), public_relay.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\n" + host + b"GET  / HTTP/1.1\r\n" + host)
        assert wire.response().status == 200
        assert wire.response().status == 400
        assert wire.rest() == b""


def test_relay_checks_the_line_after_a_refused_upgrade(public_relay: Relay, site: str) -> None:
    host = f"Host: {host_of(site)}\r\n".encode()
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with shared(public_relay, site), public_relay.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\n" + host + upgrade + b"GET  / HTTP/1.1\r\n" + host + b"\r\n")
        assert wire.response().status == 200
        assert wire.response().status == 400
        assert wire.rest() == b""
