"""What a worker is told of a visitor: what is true, and what was sent."""

from pathlib import Path

import pytest

from test.companions.share.old_workers import Visit, Worker
from test.companions.share.relays import Relay, host_of


def told(relay: Relay, name: str, *lines: str, target: str = "/", method: str = "GET") -> Visit:
    """What a worker gets of a request with these fields."""
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
    assert told(relay, name, target=target).url == target


def test_of_an_absolute_target_the_path_is_told(relay: Relay, name: str) -> None:
    assert told(relay, name, target=f"http://{host_of(name)}/a?b").url == "/a?b"
    assert told(relay, name, target=f"http://{host_of(name)}?b").url == "/?b"


@pytest.mark.parametrize(("target", "method", "status"), [("*", "OPTIONS", 400)])
def test_targets_that_are_no_paths(
    relay: Relay, name: str, target: str, method: str, status: int
) -> None:
    with Worker(relay, name):
        assert relay.get(target, host_of(name), method).status == status


def test_fields_that_repeat_are_joined(relay: Relay, name: str) -> None:
    lines = ("Cookie: a=1", "X-A: 1", "cookie: b=2", "x-a: 2", "Accept: */*")
    headers = told(relay, name, *lines).headers
    assert headers["Cookie"] == "a=1; b=2"
    assert headers["X-A"] == "1, 2"
    assert headers["Accept"] == "*/*"


def test_fields_of_the_connection_stay_here(relay: Relay, name: str) -> None:
    lines = ("Connection: keep-alive, X-Mine", "Keep-Alive: 5", "X-Mine: 1", "TE: trailers")
    headers = told(relay, name, *lines, "Proxy-Authorization: x", "Upgrade: h2c").headers
    gone = {"connection", "keep-alive", "x-mine", "te", "proxy-authorization", "upgrade"}
    assert not gone & {key.lower() for key in headers}


def test_nobody_else_speaks_our_language(relay: Relay, name: str) -> None:
    visit = told(relay, name, "fpw-ip: 6.6.6.6", "Fpw-Rid: stolen", "FPW_TOKEN: x", "fpw-url: /x")
    assert visit.ip == "127.0.0.1"
    assert not [key for key in visit.headers if key.lower().startswith(("fpw-", "fpw_"))]


def test_who_the_visitor_is_is_told_by_us(relay: Relay, name: str) -> None:
    lines = ("Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6")
    visit = told(relay, name, *lines, "X-Forwarded-Proto: https", "X_Forwarded_For: 6.6.6.6")
    assert visit.ip == "127.0.0.1"
    assert "6.6.6.6" not in str(visit.headers)
    assert visit.headers["Forwarded"] == f"for=127.0.0.1;host={host_of(name)};proto=http"
    assert visit.headers["X-Forwarded-For"] == "127.0.0.1"
    assert visit.headers["X-Forwarded-Proto"] == "http"


def test_a_proxy_of_ours_is_believed(tokens: Path) -> None:
    with Relay(tokens, "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8") as relay:
        lines = ("X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.1.1.1", "X-Forwarded-Proto: https")
        visit = told(relay, "one", *lines)
        assert visit.ip == "9.9.9.9", "the last that no proxy of ours has told us"
        assert visit.headers["X-Forwarded-For"] == "6.6.6.6, 9.9.9.9, 10.1.1.1, 127.0.0.1"
        assert visit.headers["X-Forwarded-Proto"] == "https"


def test_values_beyond_ascii_are_text(relay: Relay, name: str) -> None:
    utf8 = "caf\u00e9".encode().decode("latin-1")
    headers = told(relay, name, f"X-Utf: {utf8}", "X-Latin: caf\xe9").headers
    assert headers["X-Utf"] == headers["X-Latin"] == "caf\u00e9"


def test_what_the_fields_of_a_visit_look_like(relay: Relay, name: str) -> None:
    told_as = told(relay, name, "X-A: \u00e9\x85").reply["fpw-header"]
    assert told_as.isascii()
    assert told_as.isprintable()
