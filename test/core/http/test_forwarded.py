"""Forwarded (RFC 7239): whose word is kept, and that ours stands on its own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.http.forwarded import (
    Peer,
    forwarded_fields,
    forwarded_for,
    is_valid,
    trusted_forwarded,
)
from httpprocessproxy.core.http.headers import outgoing_request
from httpprocessproxy.core.http.http1 import Fields, RequestHead
from test.core.http.strict import repeatably

TRUSTED = Peer("192.0.2.1", trusted=True)
STRANGER = Peer("192.0.2.1", trusted=False)
UNIX = Peer(None, trusted=True)
OURS = b"for=192.0.2.1;host=a;proto=http"

VALID = [
    # haproxy's test cases
    b'for="unknown:132";host="[::1]:65535";by="_obfs:_port";proto=https',
    *(b'for="127.0.0.1";host=v.test', b'by="[::1]:3"', b"for=unknown", b"for=UNKNOWN"),
    # RFC 7239 section 4 and 6
    *(b'for="_gazonk"', b'For="[2001:db8:cafe::17]:4711"'),
    b"for=192.0.2.60;proto=http;by=203.0.113.43",
    *(b"for=192.0.2.43, for=198.51.100.17", b"for=_a.b-c_d"),
    b'for=192.0.2.43,FOR="[2001:db8:cafe::17]"',
    *(b'for="192.0.2.1:80"', b'for="_a:_b"', b"for=_hidden, for=_SEVKISEK", b'for="192.0.2.1:_p"'),
    # section 4: empty elements, and what may be in quotes
    *(b"for=_a,, for=_b,", b" , ", b"", b"for=_a \t,\tfor=_b", b'host="a,b;c=d"'),
    b'host="\\"\\\\"',
    *(b'x=""', b"secret=abc", b'host="caf\xe9"', b'for="\\_a"', b'x="y=z";for=_a'),
]

INVALID = [
    *(b'"', b'for="x', b"for", b"=", b"for=", b"for=a b", b'for="_a"b', b";"),
    *(b"for=_a;", b";for=_a", b"for=_a by=_b"),
    *(b"for=_a;;by=_b", b"for=_a ;by=_b", b"for=_a; by=_b", b"for =_a", b"for= _a"),
    # no parameter twice in an element
    *(b"proto=http;proto=http", b"proto=a;proto=b", b"for=_a;FOR=_b", b"for=_a,by=_b;x=y;By=_c"),
    # nodes: IPv6 in brackets and quotes, a port of digits, no bare name
    *(b"for=[::1]", b"by=[::1]", b'by="[::1]:"', b'for="::1"', b"for=::1", b"for=192.0.2.1:80"),
    *(b'for="a"', b"for=localhost", b'for=""', b'for="[::1]:123456"', b'for="1.2.3"', b'for="[x]"'),
    *(b'for="_a:-"', b'for="_"', b'for="192.0.2.1 "', b"for=_a,for=b", b'for="[::1"'),
    # an open quote behind a good element, bytes that are neither token nor quoted
    *(b'for=_a, for="', b'for=_a, host="\\', b'host="\\"', b"host=a\xe9"),
    *(b"host=(a)", b'host="\x7f"'),
]


def fields(
    *lines: tuple[bytes, bytes], peer: Peer = TRUSTED, host: bytes = b"a"
) -> dict[str, bytes]:
    told = forwarded_fields(trusted_forwarded(list(lines), peer), peer, host)
    assert len({name for name, _ in told}) == len(told), "each field once"
    return {name.decode(): value for name, value in told}


# The grammar


@pytest.mark.parametrize("value", VALID)
def test_valid(value: bytes) -> None:
    assert is_valid(value)


@pytest.mark.parametrize("value", INVALID)
def test_invalid(value: bytes) -> None:
    assert not is_valid(value)


@pytest.mark.parametrize("text", [b" ", b"\t", b",", b"a", b"a=b,", b"a=b;", b'a="b', b"\\"])
@pytest.mark.parametrize("start", [b"", b"for=_a,", b'for="'])
def test_the_grammar_takes_linear_time(start: bytes, text: bytes) -> None:
    """With backtracking, one of these would take hours."""
    assert not is_valid(start + text * (60_000 // len(text)) + b'"\x00')


# Our own element


@pytest.mark.parametrize(
    ("peer", "element", "address"),
    [
        (Peer("192.0.2.1", trusted=True), b"for=192.0.2.1", b"192.0.2.1"),
        (Peer("2001:db8::1", trusted=True), b'for="[2001:db8::1]"', b"2001:db8::1"),
    ],
)
def test_for(peer: Peer, element: bytes, address: bytes) -> None:
    told = fields(peer=peer)
    assert told["Forwarded"] == element + b";host=a;proto=http"
    assert told["X-Forwarded-For"] == address
    assert is_valid(told["Forwarded"])


def test_a_peer_without_an_address_is_nobodys_client() -> None:
    assert fields(peer=UNIX) == {
        "Forwarded": b"host=a;proto=http",
        "X-Forwarded-Host": b"a",
        "X-Forwarded-Proto": b"http",
    }


def test_what_a_peer_without_an_address_says_stands_alone() -> None:
    said = ((b"Forwarded", OURS), (b"X-Forwarded-For", b"192.0.2.1"))
    told = fields(*said, (b"X-Forwarded-Proto", b"https"), peer=UNIX)
    assert told["Forwarded"] == OURS
    assert told["X-Forwarded-For"] == b"192.0.2.1"
    assert told["X-Forwarded-Proto"] == b"https"


@pytest.mark.parametrize(
    ("host", "quoted"),
    [
        (b"localhost", b"localhost"),
        (b"localhost:8001", b'"localhost:8001"'),
        (b"[::1]:8001", b'"[::1]:8001"'),
        (b'a";for=evil', b'"a\\";for=evil"'),
        (b"a;for=evil", b'"a;for=evil"'),
        (b"a,for=evil", b'"a,for=evil"'),
        (b"a\\", b'"a\\\\"'),
        (b'a\\"', b'"a\\\\\\""'),
    ],
)
def test_host(host: bytes, quoted: bytes) -> None:
    told = fields(host=host)
    assert told["Forwarded"] == b"for=192.0.2.1;host=%b;proto=http" % quoted
    assert told["X-Forwarded-Host"] == host
    assert is_valid(told["Forwarded"])


def test_no_host() -> None:
    told = fields(host=b"")
    assert told["Forwarded"] == b"for=192.0.2.1;proto=http"
    assert "X-Forwarded-Host" not in told


def test_proto() -> None:
    told = fields(peer=Peer("192.0.2.1", trusted=True, proto=b"https"))
    assert told["Forwarded"].endswith(b";proto=https")
    assert told["X-Forwarded-Proto"] == b"https"


# What comes before it


@pytest.mark.parametrize("value", [value for value in VALID if value])
def test_ours_is_a_new_element(value: bytes) -> None:
    assert fields((b"Forwarded", value))["Forwarded"] == value + b", " + OURS


@pytest.mark.parametrize("value", [b"", *INVALID])
def test_ours_stands_alone_behind_what_is_broken(value: bytes) -> None:
    assert fields((b"Forwarded", value))["Forwarded"] == OURS


def test_several_lines_are_one_list() -> None:
    lines = [(b"Forwarded", b"for=_a"), (b"X", b"y"), (b"FORWARDED", b"for=_b, for=_c")]
    assert fields(*lines)["Forwarded"] == b"for=_a, for=_b, for=_c, " + OURS


def test_a_quote_does_not_span_lines() -> None:
    lines = [(b"Forwarded", b'for="_a'), (b"Forwarded", b'_b"')]
    assert fields(*lines)["Forwarded"] == OURS


def test_one_broken_line_spoils_the_list() -> None:
    assert fields((b"Forwarded", b"for=_a"), (b"Forwarded", b"for=b"))["Forwarded"] == OURS


def test_x_forwarded_for_is_appended_to_and_the_rest_is_kept() -> None:
    told = fields(
        (b"X-Forwarded-For", b"192.0.2.8"),
        (b"x-forwarded-for", b"192.0.2.9"),
        (b"X-Forwarded-Host", b"example.test"),
        (b"X-Forwarded-Proto", b"https"),
    )
    assert told == {
        "Forwarded": OURS,
        "X-Forwarded-For": b"192.0.2.8, 192.0.2.9, 192.0.2.1",
        "X-Forwarded-Host": b"example.test",
        "X-Forwarded-Proto": b"https",
    }


def test_empty_fields_say_nothing() -> None:
    names = [b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto"]
    assert fields(*((name, b"") for name in names)) == fields()


# Who is believed

SPOOFED: Fields = [
    *((b"Forwarded", b"for=_evil"), (b"forwarded", b"for=_evil")),
    *((b"X-Forwarded-For", b"192.0.2.9"), (b"X_Forwarded_For", b"192.0.2.9")),
    *((b"X-Forwarded-Host", b"evil"), (b"X-Forwarded-Proto", b"https")),
    *((b"X-Forwarded-Port", b"1"), (b"X-Real-IP", b"192.0.2.9"), (b"x_real-ip", b"192.0.2.9")),
]
HARMLESS: Fields = [(b"X-Forwarded", b"1"), (b"Forwarded-X", b"2"), (b"X-Real-IPs", b"3")]


def test_a_stranger_is_not_believed() -> None:
    assert trusted_forwarded(SPOOFED + HARMLESS, STRANGER) == HARMLESS
    assert fields(*SPOOFED, peer=STRANGER) == fields(peer=STRANGER)


def test_a_trusted_peer_is_believed() -> None:
    assert trusted_forwarded(SPOOFED, TRUSTED) == SPOOFED


# Whatever is sent

field_values = st.binary(max_size=30).map(
    lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F)
)
pieces = st.lists(
    st.sampled_from([b'"', b"\\", b";", b",", b"=", b" ", b"for=", b"_a", b"[::1]", b"host=", b"x"])
).map(b"".join)


def elements(value: bytes) -> list[bytes]:
    """Split a list as a careful recipient does: not within quotes."""
    return re.findall(rb'((?:"(?:\\.|[^"\\])*"|[^",])+)(?:,|\Z)', value)


@repeatably
@given(st.lists(field_values | pieces, max_size=3), field_values | pieces)
def test_ours_is_always_the_last_element(inherited: list[bytes], host: bytes) -> None:
    value = fields(*((b"Forwarded", line.strip()) for line in inherited), host=host)["Forwarded"]
    assert is_valid(value)
    last = elements(value)[-1].strip()
    assert last.startswith(b"for=192.0.2.1;")
    assert last.endswith(b"proto=http")
    assert last == fields(host=host)["Forwarded"]


@pytest.mark.parametrize(
    ("said", "clients"),
    [
        ([], []),
        ([(b"x-forwarded-for", b"192.0.2.7")], ["192.0.2.7"]),
        ([(b"X-Forwarded-For", b"a, 192.0.2.7:80 ,[::1]:9")], ["::1", "192.0.2.7", "a"]),
        ([(b"X-Forwarded-For", b"a"), (b"X-Forwarded-For", b"b")], ["b", "a"]),
        ([(b"X-Forwarded-For", b"::1, unknown, ")], ["", "unknown", "::1"]),
        ([(b"Forwarded", b'for="[::1]:8";by=_a, FOR=192.0.2.7')], ["192.0.2.7", "::1"]),
        ([(b"Forwarded", b'for="192.0.2.7:80", host=a')], ["192.0.2.7"]),
        ([(b"Forwarded", b'host="\\", for=1"')], []),
        ([(b"Forwarded", b"for=_hidden"), (b"X-Forwarded-For", b"a")], ["a", "_hidden"]),
    ],
)
def test_for_whom_a_trusted_peer_speaks(said: Fields, clients: list[str]) -> None:
    head = RequestHead(b"GET", b"/", False, [(b"Host", b"a"), *said])
    for peer, told in ((TRUSTED, clients), (STRANGER, []), (UNIX, clients)):
        outgoing = outgoing_request(head, peer, b"1.1 x").head
        assert forwarded_for(outgoing, peer.ip) == told
