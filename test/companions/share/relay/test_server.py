"""The relay's HTTP server: routing by host, its own pages, malformed heads."""

from pathlib import Path

import pytest

from test.companions.share.old_workers import Worker
from test.companions.share.relay.calls import raw_call
from test.companions.share.relays import Relay, host_of, write_tokens


@pytest.mark.parametrize("host", ["unknown.example.test", "other.test", "a.name1.example.test"])
def test_unknown_host_gets_404(relay: Relay, host: str) -> None:
    answer = relay.get("/", host)
    assert answer.status == 404
    assert b"no server by this name" in answer.body


def test_host_is_matched_in_any_case_with_or_without_dot_and_port(relay: Relay, name: str) -> None:
    with Worker(relay, name):
        for host in (host_of(name), host_of(name).upper(), f"{host_of(name)}.", host_of(name)):
            assert relay.get("/", f"{host}:8080").body == b"nothing"
            assert relay.get("/", host).body == b"nothing"


def test_name_with_a_dot_is_a_full_host_name(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens", "shop.example.org")
    with Relay(tokens, "--deadline", "0.1") as relay:
        assert relay.get("/", "shop.example.org").status == 503
        assert relay.get("/", "shop.example.org.example.test").status == 404


@pytest.mark.parametrize("host", ["example.test", "127.0.0.1", "localhost", "[::1]:80"])
def test_relays_own_host_serves_its_pages(relay: Relay, host: str) -> None:
    health = relay.get("/healthz", host)
    assert (health.status, health.body) == (200, b"ok\n")
    assert b"hpp_relay_visits_in_progress" in relay.get("/metrics", host).body
    assert relay.get("/", host).status == 200
    assert relay.get("/other", host).status == 404
    assert relay.get("/healthz", host, "POST").get(b"Allow") == b"GET, HEAD"
    assert relay.get("/healthz", host, "HEAD").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_relays_pages_are_not_served_on_other_hosts(relay: Relay, name: str, path: str) -> None:
    with Worker(relay, name) as worker:
        assert relay.get(path, host_of(name)).body == b"nothing"
    assert [visit.url for visit in worker.visits] == [path]
    assert relay.get(path, "unknown.example.test").status == 404


def test_metrics_are_served_only_on_their_own_address(tokens: Path) -> None:
    with Relay(tokens, "--metrics", "127.0.0.1:0") as relay:
        assert relay.get("/metrics").status == 404
        assert relay.get("/healthz").status == 200
        apart = int(relay.wait_line(r"metrics on .*:(\d+)")[1])
        relay.port = apart
        assert b"hpp_relay" in relay.get("/metrics", "anything").body
        assert relay.get("/", host_of("one")).status == 200


def test_metrics_count_visits_by_outcome(relay: Relay, name: str) -> None:
    with Worker(relay, name):
        relay.get("/", host_of(name))
    host = host_of(name)
    assert relay.level(f'visits_total{{host="{host}",outcome="answered"}}') == 1
    assert relay.level(f'visit_seconds_count{{host="{host}"}}') == 1
    assert relay.level(f'sent_bytes_total{{host="{host}"}}') == len(b"nothing")


@pytest.mark.parametrize(
    ("accept", "content_type", "part"),
    [
        ("text/html,*/*;q=0.8", b"text/html; charset=utf-8", b"<h1>Not connected</h1>"),
        ("application/json", b"application/json", b'"status": 503'),
        ("*/*", b"text/plain; charset=utf-8", b"503 Not connected\n"),
    ],
)
def test_error_page_has_the_accepted_media_type(
    relay: Relay, name: str, accept: str, content_type: bytes, part: bytes
) -> None:
    answer = relay.get("/", host_of(name), Accept=accept)
    assert answer.get(b"Content-Type") == content_type
    assert part in answer.body
    assert answer.get(b"Cache-Control") == b"no-store"
    assert answer.get(b"Content-Security-Policy")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.test/x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.test\r\nA B: c\r\n\r\n",
    ],
)
def test_malformed_head_gets_400(relay: Relay, head: bytes) -> None:
    with relay.connect() as wire:
        wire.send(head)
        assert wire.response().status == 400


def test_refused_worker_call_names_the_server_software(relay: Relay, name: str) -> None:
    answer = raw_call(relay, f"fpw-host: {host_of(name)}", "fpw-token: wrong")
    assert (answer.status, answer.get(b"Server")) == (403, b"http-process-relay")


def test_connect_is_refused(relay: Relay, name: str) -> None:
    with Worker(relay, name) as worker, relay.connect() as wire:
        wire.send(f"CONNECT {host_of(name)}:80 HTTP/1.1\r\nHost: {host_of(name)}\r\n\r\n".encode())
        assert wire.head().status in (400, 405)
    assert not worker.visits
