"""Forwarded (RFC 7239): trusted peers' elements are kept, and the proxy's own is appended."""

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
    # section 4: empty elements, and quoted strings
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
    # an open quote after a valid element, bytes that are neither token nor quoted
    *(b'for=_a, for="', b'for=_a, host="\\', b'host="\\"', b"host=a\xe9"),
    *(b"host=(a)", b'host="\x7f"'),
]


def fields(
    *lines: tuple[bytes, bytes], peer: Peer = TRUSTED, host: bytes = b"a"
) -> dict[str, bytes]:
    result = forwarded_fields(trusted_forwarded(list(lines), peer), peer, host)
    assert len({name for name, _ in result}) == len(result), "each field once"
    return {name.decode(): value for name, value in result}


# The grammar


@pytest.mark.parametrize("value", VALID)
def test_valid_value_is_accepted(value: bytes) -> None:
    assert is_valid(value)


@pytest.mark.parametrize("value", INVALID)
def test_invalid_value_is_refused(value: bytes) -> None:
    assert not is_valid(value)


@pytest.mark.parametrize("text", [b" ", b"\t", b",", b"a", b"a=b,", b"a=b;", b'a="b', b"\\"])
@pytest.mark.parametrize("start", [b"", b"for=_a,", b'for="'])
def test_validation_takes_linear_time(start: bytes, text: bytes) -> None:
    """A grammar with backtracking would take hours for one of these values."""
    assert not is_valid(start + text * (60_000 // len(text)) + b'"\x00')


# The proxy's own element


@pytest.mark.parametrize(
    ("peer", "element", "address"),
    [
        (Peer("192.0.2.1", trusted=True), b"for=192.0.2.1", b"192.0.2.1"),
        (Peer("2001:db8::1", trusted=True), b'for="[2001:db8::1]"', b"2001:db8::1"),
    ],
)
def test_address_of_the_peer_becomes_the_for_parameter(
    peer: Peer, element: bytes, address: bytes
) -> None:
    result = fields(peer=peer)
    assert result["Forwarded"] == element + b";host=a;proto=http"
    assert result["X-Forwarded-For"] == address
    assert is_valid(result["Forwarded"])


def test_peer_without_address_gets_neither_for_nor_x_forwarded_for() -> None:
    assert fields(peer=UNIX) == {
        "Forwarded": b"host=a;proto=http",
        "X-Forwarded-Host": b"a",
        "X-Forwarded-Proto": b"http",
    }


def test_fields_of_a_peer_without_address_pass_without_an_addition() -> None:
    inherited = ((b"Forwarded", OURS), (b"X-Forwarded-For", b"192.0.2.1"))
    result = fields(*inherited, (b"X-Forwarded-Proto", b"https"), peer=UNIX)
    assert result["Forwarded"] == OURS
    assert result["X-Forwarded-For"] == b"192.0.2.1"
    assert result["X-Forwarded-Proto"] == b"https"


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
def test_host_parameter_is_quoted_unless_a_token(host: bytes, quoted: bytes) -> None:
    result = fields(host=host)
    assert result["Forwarded"] == b"for=192.0.2.1;host=%b;proto=http" % quoted
    assert result["X-Forwarded-Host"] == host
    assert is_valid(result["Forwarded"])


def test_request_without_host_gets_no_host_parameter() -> None:
    result = fields(host=b"")
    assert result["Forwarded"] == b"for=192.0.2.1;proto=http"
    assert "X-Forwarded-Host" not in result


def test_scheme_of_the_peer_becomes_the_proto_parameter() -> None:
    result = fields(peer=Peer("192.0.2.1", trusted=True, proto=b"https"))
    assert result["Forwarded"].endswith(b";proto=https")
    assert result["X-Forwarded-Proto"] == b"https"


# Inherited elements


@pytest.mark.parametrize("value", [value for value in VALID if value])
def test_own_element_is_appended_to_a_valid_value(value: bytes) -> None:
    assert fields((b"Forwarded", value))["Forwarded"] == value + b", " + OURS


@pytest.mark.parametrize("value", [b"", *INVALID])
def test_own_element_replaces_an_invalid_value(value: bytes) -> None:
    assert fields((b"Forwarded", value))["Forwarded"] == OURS


def test_several_lines_are_joined_into_one_list() -> None:
    lines = [(b"Forwarded", b"for=_a"), (b"X", b"y"), (b"FORWARDED", b"for=_b, for=_c")]
    assert fields(*lines)["Forwarded"] == b"for=_a, for=_b, for=_c, " + OURS


def test_quote_across_lines_is_invalid() -> None:
    lines = [(b"Forwarded", b'for="_a'), (b"Forwarded", b'_b"')]
    assert fields(*lines)["Forwarded"] == OURS


def test_list_with_one_invalid_line_is_dropped() -> None:
    assert fields((b"Forwarded", b"for=_a"), (b"Forwarded", b"for=b"))["Forwarded"] == OURS


def test_x_forwarded_for_is_appended_to_and_other_fields_are_kept() -> None:
    result = fields(
        (b"X-Forwarded-For", b"192.0.2.8"),
        (b"x-forwarded-for", b"192.0.2.9"),
        (b"X-Forwarded-Host", b"example.test"),
        (b"X-Forwarded-Proto", b"https"),
    )
    assert result == {
        "Forwarded": OURS,
        "X-Forwarded-For": b"192.0.2.8, 192.0.2.9, 192.0.2.1",
        "X-Forwarded-Host": b"example.test",
        "X-Forwarded-Proto": b"https",
    }


def test_empty_fields_are_ignored() -> None:
    names = [b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto"]
    assert fields(*((name, b"") for name in names)) == fields()


# Trusted and untrusted peers

SPOOFED: Fields = [
    *((b"Forwarded", b"for=_evil"), (b"forwarded", b"for=_evil")),
    *((b"X-Forwarded-For", b"192.0.2.9"), (b"X_Forwarded_For", b"192.0.2.9")),
    *((b"X-Forwarded-Host", b"evil"), (b"X-Forwarded-Proto", b"https")),
    *((b"X-Forwarded-Port", b"1"), (b"X-Real-IP", b"192.0.2.9"), (b"x_real-ip", b"192.0.2.9")),
]
HARMLESS: Fields = [(b"X-Forwarded", b"1"), (b"Forwarded-X", b"2"), (b"X-Real-IPs", b"3")]


def test_forwarding_fields_of_an_untrusted_peer_are_removed() -> None:
    assert trusted_forwarded(SPOOFED + HARMLESS, STRANGER) == HARMLESS
    assert fields(*SPOOFED, peer=STRANGER) == fields(peer=STRANGER)


def test_forwarding_fields_of_a_trusted_peer_are_kept() -> None:
    assert trusted_forwarded(SPOOFED, TRUSTED) == SPOOFED


# Arbitrary input

field_values = st.binary(max_size=30).map(
    lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F)
)
pieces = st.lists(
    st.sampled_from([b'"', b"\\", b";", b",", b"=", b" ", b"for=", b"_a", b"[::1]", b"host=", b"x"])
).map(b"".join)


def elements(value: bytes) -> list[bytes]:
    """Split a list at its commas, except within quotes."""
    return re.findall(rb'((?:"(?:\\.|[^"\\])*"|[^",])+)(?:,|\Z)', value)


@repeatably
@given(st.lists(field_values | pieces, max_size=3), field_values | pieces)
def test_own_element_is_the_last_one_for_arbitrary_input(
    inherited: list[bytes], host: bytes
) -> None:
    value = fields(*((b"Forwarded", line.strip()) for line in inherited), host=host)["Forwarded"]
    assert is_valid(value)
    last = elements(value)[-1].strip()
    assert last.startswith(b"for=192.0.2.1;")
    assert last.endswith(b"proto=http")
    assert last == fields(host=host)["Forwarded"]


@pytest.mark.parametrize(
    ("inherited", "clients"),
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
def test_nodes_of_a_trusted_peer_are_listed_last_hop_first(
    inherited: Fields, clients: list[str]
) -> None:
    head = RequestHead(b"GET", b"/", False, [(b"Host", b"a"), *inherited])
    for peer, expected in ((TRUSTED, clients), (STRANGER, []), (UNIX, clients)):
        outgoing = outgoing_request(head, peer, b"1.1 x").head
        assert forwarded_for(outgoing, peer.ip) == expected
