"""Relay and worker as real processes, by either transport: visitors get the server's responses."""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from test.companions.share.conftest import fresh
from test.companions.share.relays import Relay, host_of, request, write_tokens
from test.companions.share.workers import Worker, serving, shared
from test.deadline import eventually

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
BODY = os.urandom(5 * 1024 * 1024)


@pytest.fixture(scope="module", params=["auto", "poll"])
def served(public_relay: Relay, request: pytest.FixtureRequest) -> Iterator[Worker]:
    with shared(public_relay, fresh(), "--transport", str(request.param)) as worker:
        yield worker


def seen(body: bytes) -> dict[str, object]:
    echoed: dict[str, object] = json.loads(body)
    return echoed


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_pass(public_relay: Relay, served: Worker, method: str) -> None:
    answer = public_relay.get("/a", host_of(served.name), method)
    assert answer.status == 200
    assert seen(answer.body)["method"] == method


def test_response_to_head_has_content_length_and_no_body(
    public_relay: Relay, served: Worker
) -> None:
    answer = public_relay.get("/a", host_of(served.name), "HEAD")
    assert int(answer.get(b"content-length") or 0) > 0


@pytest.mark.parametrize("target", ["/a%2Fb%2f..%2F", "/a?", "/?x=%20&&y=?", "//a//", "/a;b=c@d"])
def test_targets_pass_byte_for_byte(public_relay: Relay, served: Worker, target: str) -> None:
    answer = public_relay.get(target, host_of(served.name))
    assert seen(answer.body)["target"] == target


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_large_bodies_pass_unchanged(public_relay: Relay, served: Worker, method: str) -> None:
    answer = public_relay.get("/", host_of(served.name), method, BODY)
    assert seen(answer.body)["sha256"] == hashlib.sha256(BODY).hexdigest()
    back = public_relay.get("/download?bytes=5242880", host_of(served.name))
    assert back.body == bytes(range(256)) * (5 * 1024 * 1024 // 256)


def test_chunked_bodies_pass_in_both_directions(public_relay: Relay, served: Worker) -> None:
    with public_relay.connect() as wire:
        wire.send(request("/", host_of(served.name), "POST", Transfer_Encoding="chunked"))
        wire.send(b"5\r\nhello\r\n", b"0\r\n\r\n")
        echoed = seen(wire.response().body)
    assert (echoed["length"], echoed["sha256"]) == (5, hashlib.sha256(b"hello").hexdigest())
    answer = public_relay.get("/chunked?pieces=3", host_of(served.name))
    assert answer.body == b"piece 0\npiece 1\npiece 2\n"


def test_server_gets_forwarding_fields_of_the_relay_alone(
    public_relay: Relay, served: Worker
) -> None:
    lies = {"Forwarded": "for=6.6.6.6", "X_Forwarded_For": "6.6.6.6", "Fpw_Ip": "6.6.6.6"}
    echoed = seen(public_relay.get("/", host_of(served.name), "GET", b"", **lies).body)
    headers = echoed["headers"]
    assert isinstance(headers, list)
    fields = {name.lower(): value for name, value in headers}
    assert "6.6.6.6" not in json.dumps(echoed)
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["forwarded"] == f'for=127.0.0.1;host="{host_of(served.name)}";proto=http'
    assert fields["host"] == host_of(served.name)


def test_truncated_answer_gives_502_by_polling_and_close_by_streaming(
    public_relay: Relay, served: Worker
) -> None:
    """A polling worker reads the whole answer first; a streaming one has sent its head already."""
    with public_relay.connect() as wire:
        wire.send(request("/short", host_of(served.name)))
        if "poll" in served.arguments:
            assert wire.response().status == 502
        else:
            assert wire.head().status == 200
            # The connection closes ninety bytes too early, after any part of the ten bytes.
            assert b"ten bytes.".startswith(wire.rest())


def test_visitor_gets_502_when_server_closes_the_connection(
    public_relay: Relay, served: Worker
) -> None:
    answer = public_relay.get("/hangup", host_of(served.name))
    assert answer.status == 502
    assert b"closed the connection without an answer" in answer.body


def test_visitor_gets_502_when_server_is_unreachable(public_relay: Relay, site: str) -> None:
    with serving() as port:
        pass
    with Worker(public_relay, site, port) as worker:
        answer = public_relay.get("/", host_of(worker.connected().name))
    assert answer.status == 502
    assert b"cannot be reached" in answer.body


def test_concurrent_visits_over_three_workers_get_their_own_answers(
    public_relay: Relay, site: str
) -> None:
    def visit(number: int) -> str:
        target = f"/slow?ms=50&id={number}" if number % 2 else f"/a?id={number}"
        answer = public_relay.get(target, host_of(site), "POST", str(number).encode())
        assert answer.status == 200
        return target if number % 2 else str(seen(answer.body)["target"])

    poll = ("--transport", "poll")
    with (
        serving() as port,
        Worker(public_relay, site, port) as one,
        Worker(public_relay, site, port, *poll) as two,
        Worker(public_relay, site, port, *poll) as three,
    ):
        for worker in (one, two, three):
            worker.wait_line("share: ")
        one.connected()
        with ThreadPoolExecutor(50) as pool:
            targets = list(pool.map(visit, range(150)))
    assert [target.partition("id=")[2] for target in targets] == [str(n) for n in range(150)]


def test_worker_prints_one_line_per_visit(public_relay: Relay, served: Worker) -> None:
    public_relay.get("/line?a=1", host_of(served.name))
    served.wait_line(r"visit 127\.0\.0\.1 GET /line\?a=1 200 \d+ ms")


@pytest.mark.parametrize("transport", ["auto", "poll"])
def test_no_visit_is_delivered_twice_when_workers_are_killed(
    transport: str, tmp_path: Path
) -> None:
    """Each visit gets its answer or an error status, and the server gets no request twice."""
    tokens = write_tokens(tmp_path / "tokens", "site")
    # In long polling, only the deadline reveals a dead worker.
    with Relay(tokens, "--deadline", "1", "--grace", "2") as relay:
        _kill_at_random(relay, "site", transport, tmp_path)


def _is_busy(worker: Worker) -> bool:
    return "visit " in worker.output or "connected" in worker.output


def _kill_at_random(relay: Relay, site: str, transport: str, folder: Path) -> None:
    statuses: dict[int, int] = {}

    def visit(number: int) -> None:
        target = f"/once?id={number}&ms=3"
        statuses[number] = relay.get(target, host_of(site), "POST", b"x").status

    with serving("echo.py", str(folder)) as port, ThreadPoolExecutor(8) as pool:
        with Worker(relay, site, port, "--transport", transport) as worker:
            worker.connected()
            visits = [pool.submit(visit, number) for number in range(150)]
            kills = 0
            worker.kill()
        while not all(visit.done() for visit in visits):
            with Worker(relay, site, port, "--transport", transport) as worker:
                # A worker that starts after the last visit prints no line about a visit.
                eventually(lambda: _is_busy(worker) or all(visit.done() for visit in visits))
                wait(visits, 0.1 + 0.1 * (kills % 3))
                worker.kill()
            kills += 1
    for one in visits:
        one.result()
    taken = [int(line) for line in (folder / "once.log").read_text().split()]
    answered = {number for number, status in statuses.items() if status == 200}
    assert len(statuses) == 150
    assert set(statuses.values()) <= {200, 502, 503, 504}
    assert len(taken) == len(set(taken)), "the server got a request twice"
    assert answered <= set(taken)
    assert len(answered) > 50
    assert kills > 1
