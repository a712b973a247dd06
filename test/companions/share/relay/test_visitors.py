"""Visitors of the relay: waits and deadlines, limits, visitors who leave."""

import concurrent.futures
import functools
from pathlib import Path

import pytest

from test.companions.share.old_workers import Answer, Call, Worker
from test.companions.share.relays import Relay, host_of, request
from test.deadline import eventually


def left(relay: Relay, name: str, outcome: str = "left") -> float:
    """The number of visits of a host that ended with this outcome."""
    return relay.level(f'visits_total{{host="{host_of(name)}",outcome="{outcome}"}}')


def are_done(asked: list[concurrent.futures.Future[tuple[int, bytes]]], count: int) -> bool:
    return sum(one.done() for one in asked) > count


def test_visit_without_a_worker_gets_503(relay: Relay, name: str) -> None:
    """Just after its start the relay waits for workers to reconnect, for the grace period."""
    answer = relay.get("/", host_of(name))
    assert answer.status == 503
    assert answer.get(b"Retry-After") == b"5"
    relay.wait_line(rf'{host_of(name)} "GET /" 503 no_worker 0 bytes [0-9.]{{1,6}} ms')


def test_visit_waits_for_a_recent_worker(
    patient: tuple[Path, tuple[str, ...]],
) -> None:
    tokens, options = patient
    with Relay(tokens, *options) as relay:
        with Call(relay, "one") as call:
            call.wait()
        eventually(lambda: relay.waiting("one") == 0)
        with relay.connect() as visitor:
            visitor.send(request("/", host_of("one")))
            with Worker(relay, "one", waits=False):
                assert visitor.response().body == b"nothing"


def test_visit_gets_503_when_grace_expires(relay: Relay, name: str) -> None:
    with Call(relay, name) as call:
        call.wait()
    assert relay.get("/", host_of(name)).status == 503
    relay.wait_line(rf'{host_of(name)} "GET /" 503 no_worker 0 bytes [3-9]\d\d\.\d ms')


def test_visit_waits_beyond_grace_while_workers_are_busy(relay: Relay, name: str) -> None:
    with (
        Call(relay, name) as call,
        relay.connect() as first,
        relay.connect() as second,
    ):
        call.wait()
        first.send(request("/first", host_of(name)))
        busy = call.next_visit()
        second.send(request("/second", host_of(name)))
        # The poll of another host takes longer than the grace; meanwhile no call waits here.
        assert relay.get("/", "127.0.0.1").status == 200
        with Call(relay, "name998") as other:
            other.poll()
        received = call.poll(busy.rid, Answer(body=b"1"))
        assert received is not None
        assert received.url == "/second"
        call.begin(received.rid, Answer(body=b"2"))
        assert (first.response().body, second.response().body) == (b"1", b"2")


def test_visit_without_an_answer_gets_504(relay: Relay, name: str) -> None:
    with Worker(relay, name, lambda visit: None) as worker:
        assert relay.get("/", host_of(name)).status == 504
        assert len(worker.visits) == 1, "the visit is not repeated"


def test_visit_gets_504_when_its_worker_dies(relay: Relay, name: str) -> None:
    with Call(relay, name) as call, relay.connect() as visitor:
        call.wait()
        visitor.send(request("/", host_of(name)))
        call.next_visit()
        call.kill()
        with Worker(relay, name) as other:
            assert visitor.response().status == 504
            assert not other.visits, "a delivered visit is not repeated"


def test_visit_of_a_visitor_who_left_is_not_delivered(
    patient: tuple[Path, tuple[str, ...]],
) -> None:
    tokens, options = patient
    with Relay(tokens, *options, "--hold", "0.5") as relay:
        with Call(relay, "one") as call:
            call.wait()
            call.kill()
        eventually(lambda: relay.waiting("one") == 0)
        with relay.connect() as visitor:
            visitor.send(request("/gone", host_of("one")))
            eventually(lambda: relay.level("visits_in_progress") > 0)
            visitor.reset()
        eventually(lambda: left(relay, "one") == 1)
        with Call(relay, "one") as call:
            assert call.poll() is None


def test_answer_to_a_visitor_who_left_is_ignored(relay: Relay, name: str) -> None:
    with Call(relay, name) as call:
        call.wait()
        with relay.connect() as visitor:
            visitor.send(request("/", host_of(name)))
            received = call.next_visit()
        eventually(lambda: left(relay, name) == 1)
        ignored = relay.level("ignored_answers")
        assert call.poll(received.rid, Answer(body=b"late")) is None
        assert relay.level("ignored_answers") == ignored + 1


@pytest.mark.parametrize("framing", ["Content-Length: 7000000", "Transfer-Encoding: chunked"])
def test_too_large_body_gets_413(relay: Relay, name: str, framing: str) -> None:
    with Worker(relay, name) as worker, relay.connect() as visitor:
        lines = ["POST / HTTP/1.1", f"Host: {host_of(name)}", framing, "", ""]
        visitor.send("\r\n".join(lines).encode())
        if "chunked" in framing:
            visitor.send(b"6acfc0\r\n" + b"x" * 7_000_000 + b"\r\n0\r\n\r\n")
        assert visitor.response().status == 413
    assert not worker.visits


def test_too_large_header_fields_get_431(relay: Relay, name: str) -> None:
    with Worker(relay, name) as worker:
        assert relay.get("/", host_of(name), X_Large="x" * 17_000).status == 431
        assert relay.get("/", host_of(name), X_Large="x" * 15_000).status == 200
        assert relay.get("/", host_of(name), X_Large="x" * 70_000).status == 431
    assert len(worker.visits) == 1


def test_too_long_url_gets_414(relay: Relay, name: str) -> None:
    with Worker(relay, name):
        assert relay.get("/" + "x" * 9000, host_of(name)).status == 414
        assert relay.get("/" + "x" * 8000, host_of(name)).status == 200


def test_slow_upload_does_not_block_a_worker(relay: Relay, name: str) -> None:
    with Worker(relay, name), relay.connect() as slow:
        slow.send(request("/slow", host_of(name), "POST", b"x" * 1000)[:-500])
        assert relay.get("/", host_of(name), "POST", b"quick").body == b"quick"
        slow.send(b"x" * 500)
        assert slow.response().body == b"x" * 1000


def test_incomplete_body_gets_400_when_deadline_expires(relay: Relay, name: str) -> None:
    with Worker(relay, name) as worker, relay.connect() as slow:
        slow.send(request("/slow", host_of(name), "POST", b"x" * 1000)[:-500])
        assert slow.response().status == 400
    assert not worker.visits


def test_slow_download_does_not_block_a_worker(relay: Relay, name: str) -> None:
    body = b"x" * 5_000_000
    with Worker(relay, name), relay.connect() as slow:
        slow.send(request("/slow", host_of(name), "POST", body))
        assert slow.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert relay.get("/", host_of(name), "POST", b"quick").body == b"quick"
        assert slow.exactly(len(body)) == body


def test_expect_100_continue_is_answered_by_the_relay(relay: Relay, name: str) -> None:
    with Worker(relay, name), relay.connect() as visitor:
        sent = request("/", host_of(name), "POST", b"body", Expect="100-continue")
        visitor.send(sent[:-4])
        assert visitor.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        visitor.send(b"body")
        assert visitor.response().body == b"body"


def test_chunked_body_reaches_the_worker_with_content_length(relay: Relay, name: str) -> None:
    with Worker(relay, name) as worker, relay.connect() as visitor:
        lines = ["POST / HTTP/1.1", f"Host: {host_of(name)}", "Transfer-Encoding: chunked", "", ""]
        visitor.send("\r\n".join(lines).encode() + b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n")
        assert visitor.response().body == b"abcde"
    headers = worker.visits[0].headers
    assert headers["Content-Length"] == "5"
    assert "Transfer-Encoding" not in headers


def test_websocket_gets_501_with_long_polling(relay: Relay, name: str) -> None:
    with Worker(relay, name) as worker:
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        with relay.connect() as visitor:
            visitor.send(request("/", host_of(name), "GET", b"", **upgrade))
            answer = visitor.response()
            assert answer.status == 501
            assert b"WebSockets cannot pass" in answer.body
            visitor.send(request("/after", host_of(name)))
            assert visitor.response().status == 200, "the connection stays open"
    assert [visit.url for visit in worker.visits] == ["/after"]


@pytest.fixture
def patient(tokens: Path) -> tuple[Path, tuple[str, ...]]:
    return tokens, ("--grace", "5", "--hold", "5", "--deadline", "5")


def test_visit_gets_503_when_the_queue_is_full(patient: tuple[Path, tuple[str, ...]]) -> None:
    tokens, options = patient
    with Relay(tokens, "--max-queue", "2", *options) as relay:
        with Call(relay, "one") as call:
            call.wait()
        with relay.connect() as first, relay.connect() as second:
            for waiting, wire in enumerate((first, second), 1):
                wire.send(request("/", host_of("one")))
                relay.wait_level("visits_in_progress", waiting)
            answer = relay.get("/", host_of("one"))
            assert (answer.status, answer.get(b"Retry-After")) == (503, b"5")
            with Worker(relay, "one", waits=False):
                assert first.response().status == second.response().status == 200


def test_visit_beyond_max_visits_gets_503(patient: tuple[Path, tuple[str, ...]]) -> None:
    tokens, options = patient
    with Relay(tokens, "--max-visits", "1", *options) as relay:
        with Call(relay, "one") as call:
            call.wait()
        with relay.connect() as first:
            first.send(request("/", host_of("one")))
            eventually(lambda: relay.level("visits_in_progress") == 1)
            assert relay.get("/", host_of("one")).status == 503
            with Worker(relay, "one", waits=False):
                assert first.response().status == 200


def test_bodies_beyond_max_memory_get_503(patient: tuple[Path, tuple[str, ...]]) -> None:
    tokens, options = patient
    with Relay(tokens, "--max-memory", "1M", *options) as relay, Call(relay, "one") as call:
        call.wait()
        call.kill()
        with relay.connect() as first:
            first.send(request("/", host_of("one"), "POST", b"x" * 900_000))
            eventually(lambda: relay.level("memory_bytes") == 900_000)
            assert relay.get("/", host_of("one"), "POST", b"x" * 900_000).status == 503
            eventually(lambda: left(relay, "one", "queue_full") == 1)
        eventually(lambda: relay.level("memory_bytes") == 0)


def test_1000_visits_are_each_answered_once_while_workers_die(relay: Relay, name: str) -> None:
    """Workers are killed at random moments; each visit is delivered at most once."""
    bodies = [b"%d" % number for number in range(1000)]
    seen: list[bytes] = []
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        workers = [Worker(relay, name, ids=(an_id,)) for an_id in ("fpw-rid", "fpw-id", "fpw-rid")]
        for worker in workers:
            worker.__enter__()

        def visit(body: bytes) -> tuple[int, bytes]:
            answer = relay.get("/", host_of(name), "POST", body)
            return answer.status, answer.body

        asked = [pool.submit(visit, body) for body in bodies]
        for number in range(20):
            # After every 40 visits another worker is killed, in whatever state it is.
            eventually(functools.partial(are_done, asked, 40 * number))
            victim = workers.pop(0)
            victim.__exit__(None, None, None)
            seen += [visit.body for visit in victim.visits]
            workers.append(Worker(relay, name, waits=False))
            workers[-1].__enter__()
        answers = [one.result() for one in asked]
        for worker in workers:
            worker.__exit__(None, None, None)
            seen += [visit.body for visit in worker.visits]
    assert len(seen) == len(set(seen)), "no visit was delivered twice"
    right = [got == (200, body) for got, body in zip(answers, bodies, strict=True)]
    wrong = {status for (status, _), is_right in zip(answers, right, strict=True) if not is_right}
    assert wrong <= {502, 504}
    assert sum(right) >= 950
