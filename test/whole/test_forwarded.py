"""Forwarded (RFC 7239) and X-Forwarded-*: the client's address, host and scheme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from test.harness import Proxy
from test.recorder import Recorder
from test.whole.conftest import Dialogue

if TYPE_CHECKING:
    from test.wire import Message

# Valid elements from haproxy's test cases and from the examples of the RFC.
VALID = [
    b'for="unknown:132";host="[::1]:65535";by="_obfs:_port";proto=https',
    b'for="127.0.0.1";host=v.test',
    b'by="[::1]:3"',
    b'For="[2001:db8:cafe::17]:4711"',
    b"for=192.0.2.43, for=198.51.100.17",
    b"for=192.0.2.60;proto=http;by=203.0.113.43",
]
INVALID = [
    *(b"for=[::1]", b'"', b"proto=a;proto=b", b'by="[::1]:"', b"by=[::1]", b'for="x', b"for"),
    *(b"for=a b", b'for="a"b', b"proto=http;proto=http"),
]


def ours(dialogue: Dialogue, host: bytes | None = None) -> bytes:
    host = host or b"127.0.0.1:%d" % dialogue.proxy.port
    return b'for=127.0.0.1;host="%b";proto=http' % host


def forwarded(seen: Message) -> bytes:
    return b", ".join(seen.all(b"Forwarded"))


def test_backend_gets_the_clients_address(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1")
    assert forwarded(seen) == ours(dialogue)
    assert seen.get(b"X-Forwarded-For") == b"127.0.0.1"
    assert seen.get(b"X-Forwarded-Host") == b"127.0.0.1:%d" % dialogue.proxy.port
    assert seen.get(b"X-Forwarded-Proto") == b"http"


def test_host_without_a_port_is_not_quoted(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Host: localhost")
    assert forwarded(seen) == b"for=127.0.0.1;host=localhost;proto=http"


def test_ipv6_is_bracketed_and_quoted(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Host: [::1]:8000")
    assert forwarded(seen) == ours(dialogue, b"[::1]:8000")


@pytest.mark.parametrize("value", VALID)
def test_own_element_follows_those_of_a_trusted_peer(dialogue: Dialogue, value: bytes) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Forwarded: " + value)
    assert forwarded(seen) == value + b", " + ours(dialogue)


def test_several_fields_are_one_list(dialogue: Dialogue) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Forwarded: for=a1", b"forwarded: for=unknown")
    # "a1" is not a node of the grammar: the list as a whole is discarded.
    assert forwarded(seen) == ours(dialogue)
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Forwarded: for=_a", b"forwarded: for=unknown")
    assert forwarded(seen) == b"for=_a, for=unknown, " + ours(dialogue)


@pytest.mark.parametrize("value", INVALID)
def test_invalid_field_is_replaced_by_the_own_element(dialogue: Dialogue, value: bytes) -> None:
    seen = dialogue.seen(b"GET / HTTP/1.1", b"Forwarded: " + value)
    assert forwarded(seen) == ours(dialogue)


def test_x_forwarded_for_is_appended_to(dialogue: Dialogue) -> None:
    seen = dialogue.seen(
        b"GET / HTTP/1.1",
        *(b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-For: 192.0.2.2"),
        *(b"X-Forwarded-Proto: https", b"X-Forwarded-Host: example.test"),
    )
    assert seen.get(b"X-Forwarded-For") == b"192.0.2.1, 192.0.2.2, 127.0.0.1"
    assert seen.get(b"X-Forwarded-Proto") == b"https"
    assert seen.get(b"X-Forwarded-Host") == b"example.test"


@pytest.mark.parametrize("host", [b'a";for=evil', b"a;for=evil", b'"', b"a\\"])
def test_host_with_delimiters_of_forwarded_is_refused(dialogue: Dialogue, host: bytes) -> None:
    dialogue.assert_refused(dialogue.head(b"GET / HTTP/1.1", b"Host: " + host), 400, 403)


@pytest.fixture(scope="module")
def distrusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dialogue]:
    options = ["--ping", "tcp", "--forwarded-allow-ips", "192.0.2.0/24"]
    project = tmp_path_factory.mktemp("project")
    with Recorder() as recorder, Proxy(project, recorder.command, *options) as proxy:
        proxy.wait_output("started in")  # /_hpp/status refuses the test, an untrusted peer
        yield Dialogue(proxy, recorder)


def test_fields_of_an_untrusted_peer_are_replaced(distrusting: Dialogue) -> None:
    spoofed = [
        *(b"Forwarded: for=192.0.2.9", b"X-Forwarded-For: 192.0.2.9"),
        *(b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil.example"),
    ]
    seen = distrusting.seen(b"GET / HTTP/1.1", *spoofed)
    distrusting.end()
    assert forwarded(seen) == ours(distrusting)
    assert seen.get(b"X-Forwarded-For") == b"127.0.0.1"
    assert seen.get(b"X-Forwarded-Host") == b"127.0.0.1:%d" % distrusting.proxy.port
    assert seen.get(b"X-Forwarded-Proto") == b"http"
