"""Visits as a worker receives them: the target, the fields, and the visitor's address."""

from pathlib import Path

import pytest

from test.companions.share.old_workers import Visit, Worker
from test.companions.share.relays import Relay, host_of


def received_visit(
    relay: Relay, name: str, *lines: str, target: str = "/", method: str = "GET"
) -> Visit:
    """Send a request with these header lines, and return the visit that a worker receives."""
    with Worker(relay, name) as worker, relay.connect() as visitor:
        head = [f"{method} {target} HTTP/1.1", f"Host: {host_of(name)}", *lines, "", ""]
        visitor.send("\r\n".join(head).encode("latin-1"))
        assert visitor.response().status == 200
    return worker.visits[0]


@pytest.mark.parametrize(
    "target",
    [
        *("/a%2Fb", "/?", "/?a?b&c=%20+", "//double//slash", "/..;/a/../b", "/%zz%", "/a|b"),
        *("/caf%C3%A9", "/a:b@c", "/http://evil.test/", "/*"),
    ],
)
def test_targets_pass_byte_for_byte(relay: Relay, name: str, target: str) -> None:
    assert received_visit(relay, name, target=target).url == target


def test_absolute_target_is_reduced_to_its_path(relay: Relay, name: str) -> None:
    assert received_visit(relay, name, target=f"http://{host_of(name)}/a?b").url == "/a?b"
    assert received_visit(relay, name, target=f"http://{host_of(name)}?b").url == "/?b"


@pytest.mark.parametrize(("target", "method", "status"), [("*", "OPTIONS", 400)])
def test_target_that_is_not_a_path_is_refused(
    relay: Relay, name: str, target: str, method: str, status: int
) -> None:
    with Worker(relay, name):
        assert relay.get(target, host_of(name), method).status == status


def test_repeated_fields_are_joined(relay: Relay, name: str) -> None:
    lines = ("Cookie: a=1", "X-A: 1", "cookie: b=2", "x-a: 2", "Accept: */*")
    headers = received_visit(relay, name, *lines).headers
    assert headers["Cookie"] == "a=1; b=2"
    assert headers["X-A"] == "1, 2"
    assert headers["Accept"] == "*/*"


def test_hop_by_hop_fields_are_not_forwarded(relay: Relay, name: str) -> None:
    lines = ("Connection: keep-alive, X-Mine", "Keep-Alive: 5", "X-Mine: 1", "TE: trailers")
    headers = received_visit(relay, name, *lines, "Proxy-Authorization: x", "Upgrade: h2c").headers
    gone = {"connection", "keep-alive", "x-mine", "te", "proxy-authorization", "upgrade"}
    assert not gone & {key.lower() for key in headers}


def test_fpw_fields_of_a_visitor_are_dropped(relay: Relay, name: str) -> None:
    visit = received_visit(
        relay, name, "fpw-ip: 6.6.6.6", "Fpw-Rid: stolen", "FPW_TOKEN: x", "fpw-url: /x"
    )
    assert visit.ip == "127.0.0.1"
    assert not [key for key in visit.headers if key.lower().startswith(("fpw-", "fpw_"))]


def test_forwarding_fields_of_an_untrusted_peer_are_replaced(relay: Relay, name: str) -> None:
    lines = ("Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6")
    visit = received_visit(
        relay, name, *lines, "X-Forwarded-Proto: https", "X_Forwarded_For: 6.6.6.6"
    )
    assert visit.ip == "127.0.0.1"
    assert "6.6.6.6" not in str(visit.headers)
    assert visit.headers["Forwarded"] == f"for=127.0.0.1;host={host_of(name)};proto=http"
    assert visit.headers["X-Forwarded-For"] == "127.0.0.1"
    assert visit.headers["X-Forwarded-Proto"] == "http"


def test_forwarding_fields_of_a_trusted_proxy_are_kept(tokens: Path) -> None:
    with Relay(tokens, "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8") as relay:
        lines = ("X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.1.1.1", "X-Forwarded-Proto: https")
        visit = received_visit(relay, "one", *lines)
        assert visit.ip == "9.9.9.9", "the last address that is not a trusted proxy"
        assert visit.headers["X-Forwarded-For"] == "6.6.6.6, 9.9.9.9, 10.1.1.1, 127.0.0.1"
        assert visit.headers["X-Forwarded-Proto"] == "https"


def test_non_ascii_values_are_decoded_as_utf8_or_latin_1(relay: Relay, name: str) -> None:
    utf8 = "caf\u00e9".encode().decode("latin-1")
    headers = received_visit(relay, name, f"X-Utf: {utf8}", "X-Latin: caf\xe9").headers
    assert headers["X-Utf"] == headers["X-Latin"] == "caf\u00e9"


def test_encoded_fields_of_a_visit_are_printable_ascii(relay: Relay, name: str) -> None:
    encoded = received_visit(relay, name, "X-A: \u00e9\x85").reply["fpw-header"]
    assert encoded.isascii()
    assert encoded.isprintable()
