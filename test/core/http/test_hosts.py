"""Allow-lists of hosts and origins: protection against DNS rebinding and foreign pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.errors import RequestError, UserError
from httpprocessproxy.core.http.hosts import HostRule, Origin, parse_origin

PLAIN = HostRule((), "localhost")


def status(host: bytes, rule: HostRule = PLAIN) -> int:
    """Return the status of a request with this Host; 200 stands for passed on."""
    try:
        rule.check(host)
    except RequestError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:8001",
        b"localhost:",
        b"LocalHost:8001",
        b"LOCALHOST.",
        b"app.localhost.:8001",
        b"app.localhost",
        b"a.b.localhost:8001",
        b"127.0.0.1:8001",
        b"192.168.1.20",
        b"[::1]",
        b"[::1]:8001",
        b"[2001:DB8::1]:65535",
        b"web",
        b"my_container:8001",
    ],
)
def test_local_host_is_allowed(host: bytes) -> None:
    assert status(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"localhost.evil.example",
        b"127.0.0.1.nip.io",
        b"evillocalhost.example",
        b"xlocalhost.",
        b"127.0.0.1.",
        b"127.1",
        b"127.0.0.256",
        b"0127.0.0.1",
        b"[::ffff:127.0.0.1]",
        b"[::FFFF:7f00:1]:8001",
    ],
)
def test_host_of_an_outside_name_server_gets_403(host: bytes) -> None:
    assert status(host) == 403


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b":8001",
        b".",
        b".localhost",
        b"a..localhost",
        b"localhost..",
        b"a@localhost",
        b"user:password@localhost",
        b"localhost:99999",
        b"localhost:65536",
        b"localhost:000080",
        b"localhost:-1",
        b"localhost:+1",
        b"localhost:80:80",
        b"localhost:http",
        b"[::1",
        b"::1",
        b"[]",
        b"[::1]x",
        b"[::1%25eth0]",
        b"[fe80::1%eth0]",
        b"[1.2.3.4]",
        b"[:::]",
        b"[" + b"0:" * 200 + b"1]",
        b"local\0host",
        b"localhost\0",
        b"localhost\n",
        b"localhost\r\nX: y",
        b" localhost",
        b"localhost ",
        b"local\thost",
        b"localhost/",
        b"localhost?x",
        b"localhost#x",
        b"localhost,localhost",
        b"a;for=evil",
        b'a";for=evil',
        b"%6cocalhost",
        "b\u00fccher".encode(),
        b"\xff",
        b"l" * 260,
        b"a." * 32_768,
    ],
)
def test_malformed_host_gets_400_even_if_all_are_allowed(host: bytes) -> None:
    assert status(host) == 400
    assert status(host, HostRule(("*",), "")) == 400


def test_repeated_check_gives_the_same_result() -> None:
    for _ in range(2):
        assert status(b"evil.example") == 403
        assert status(b"localhost") == 200


def test_hosts_beyond_the_cache_limit_are_checked() -> None:
    rule = HostRule((), "")
    for _ in range(2):
        assert all(status(b"n%d.localhost" % number, rule) == 200 for number in range(600))
    assert status(b"evil.example", rule) == 403


def test_refusal_names_the_option_that_allows_the_host() -> None:
    with pytest.raises(RequestError, match=r"--allowed-host evil\.example"):
        PLAIN.check(b"Evil.example:8001")


@pytest.mark.parametrize(
    ("allowed", "host", "expected"),
    [
        ("example.test", b"example.test:8001", 200),
        ("Example.Test", b"eXample.tesT", 200),
        ("example.test", b"www.example.test", 403),
        ("example.test", b"badexample.test", 403),
        ("example.test", b"example.test.", 200),
        ("*.example.test", b"www.example.test", 200),
        ("*.example.test", b"a.b.example.test", 200),
        ("*.example.test", b"example.test", 403),
        ("*.example.test", b"badexample.test", 403),
        (".example.test", b"www.example.test", 200),
        (".example.test", b"example.test", 200),
        (".example.test", b"badexample.test", 403),
        ("*", b"evil.example", 200),
        ("*", b"evil.example.", 200),
        ("b\u00fccher.example", b"xn--bcher-kva.example", 200),
    ],
)
def test_allowed_host_matches_name_or_subdomain(allowed: str, host: bytes, expected: int) -> None:
    assert status(host, HostRule((allowed,), "localhost")) == expected


def test_bind_host_is_allowed() -> None:
    rule = HostRule((), "Dev.Example.test")
    assert status(b"dev.example.test:8001", rule) == 200
    assert status(b"example.test", rule) == 403


@pytest.mark.parametrize(
    "text",
    ["", "http://example.test", "example.test:80", "a b", "**", "*x", "..", "x.", "a/b", "\ud800"],
)
def test_invalid_allowed_host_raises_user_error(text: str) -> None:
    with pytest.raises(UserError, match=r"--allowed-host .*write NAME"):
        HostRule((text,), "localhost")


@pytest.mark.parametrize("text", ["[]", "[1.2.3.4]", "[localhost]"])
def test_allowed_host_in_brackets_that_is_not_ipv6_raises_user_error(text: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"{text!r}: not an IPv6 address")):
        HostRule((text,), "localhost")


@given(st.binary(max_size=40))
def test_arbitrary_host_raises_only_request_error(host: bytes) -> None:
    assert status(host) in (200, 400, 403)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:8001"),
        ("http://localhost:8001", "localhost:8001"),
        ("http://LOCALHOST:8001", "localhost:8001"),
        ("https://localhost:8001", "localhost:8001"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("http://localhost:80", "localhost"),
        ("https://localhost", "localhost:443"),
        ("https://shared.example", "shared.example"),
        ("http://[::1]:8001", "[::1]:8001"),
        ("http://[::1]:8001", "[0:0:0:0:0:0:0:1]:8001"),
    ],
)
def test_origin_of_the_same_host_is_allowed(origin: str | None, host: str) -> None:
    assert PLAIN.allows_origin(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://evil",
        "http://192.0.2.1",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:9999",
        "http://localhost",
        "https://localhost",
        "http://localhost:80010",
        "http://localhost:8001.evil",
        "http://localhost:8001@evil",
        "http://localhost:8001/",
        "http://localhost:8001 http://evil",
        "http://localhost:8001\0",
        "chrome-extension://x",
        "file://localhost:8001",
        "//localhost:8001",
        "localhost:8001",
        "http:localhost:8001",
        "%%%",
        "http://[",
        "http://]",
        "http://[::1]:8001",
        "http://l\u00f6calhost:8001",
        "\ud800",
    ],
)
def test_origin_of_another_host_is_not_allowed(origin: str) -> None:
    assert not PLAIN.allows_origin(origin, "localhost:8001")


@pytest.mark.parametrize("host", ["", "[", "a@localhost", "\ud800", "localhost:99999", "\u00e9"])
def test_malformed_host_allows_no_origin(host: str) -> None:
    assert not PLAIN.allows_origin("http://localhost:8001", host)


@given(st.text(max_size=40), st.text(max_size=40))
def test_arbitrary_origin_raises_no_error(origin: str, host: str) -> None:
    assert PLAIN.allows_origin(origin, host) in (True, False)


def test_origin_is_parsed_with_its_default_port() -> None:
    assert parse_origin("http://App.localhost") == Origin("http", "app.localhost", 80)
    assert parse_origin("https://[::1]:8443") == Origin("https", "::1", 8443)
    assert parse_origin("moz-extension://0a-b") == Origin("moz-extension", "0a-b", None)
    assert parse_origin("null") is None


@pytest.mark.parametrize(
    "host", [b"app.test", b"app.test.", b"xlocalhost.", b"127.0.0.1.", b"[::ffff:127.0.0.1]"]
)
def test_option_in_a_refusal_allows_the_host(host: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        PLAIN.check(host)
    # The option is copied up to the end of the line; no full stop follows.
    option, _, name = refusal.value.sentence.splitlines()[-1].partition(" ")
    assert option == "--allowed-host"
    assert status(host, HostRule((name,), "localhost")) == 200
