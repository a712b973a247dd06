"""Two relays over one Redis serve one host; one that dies takes only its own visitors along."""

import concurrent.futures
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.companions.share.old_workers import Answer, Call, Worker
from test.companions.share.relay.calls import visiting
from test.companions.share.relays import Relay, host_of, redis_server, request, write_tokens


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Relay, Relay]]:
    tokens = write_tokens(tmp_path / "tokens", "one", "two")
    with redis_server(tmp_path) as url, contextlib.ExitStack() as exits:
        options = ("--redis", url, "--hold", "5", "--deadline", "8", "--grace", "2")
        yield (
            exits.enter_context(Relay(tokens, *options)),
            exits.enter_context(Relay(tokens, *options)),
        )


def test_a_visitor_of_one_is_served_by_a_worker_of_the_other(pair: tuple[Relay, Relay]) -> None:
    here, there = pair
    with Worker(there, "one"):
        for body in (b"small", b"x" * 5_000_000):
            assert here.get("/", host_of("one"), "POST", body).body == body


def test_a_visit_may_be_taken_here_and_answered_there(pair: tuple[Relay, Relay]) -> None:
    here, there = pair
    with Call(here, "one") as taking, Call(there, "one") as answering, here.connect() as visitor:
        taking.wait()
        visitor.send(request("/", host_of("one")))
        told = taking.told()
        answering.begin(told.rid, Answer(body=b"from there"))
        assert visitor.response().body == b"from there"
        # Too late, it is a call like any other: each of the two gets one more visit.
        taking.begin(told.rid, Answer(body=b"from here"))
        with visiting(here, "one", "/a"), visiting(there, "one", "/b"):
            more = [call.end()[2] for call in (taking, answering)]
        assert sorted(visit.url for visit in more if visit) == ["/a", "/b"]


def test_visits_wait_for_a_worker_at_any_relay(pair: tuple[Relay, Relay]) -> None:
    here, there = pair
    with Call(here, "one") as call:
        call.wait()
    with here.connect() as visitor:
        visitor.send(request("/", host_of("one")))
        with Worker(there, "one", waits=False):
            assert visitor.response().body == b"nothing"


def test_50_visits_at_both_are_answered_once_each(pair: tuple[Relay, Relay]) -> None:
    bodies = [b"%d" % number for number in range(50)]

    def visit(body: bytes) -> bytes:
        return pair[int(body) % 2].get("/", host_of("one"), "POST", body).body

    with (
        Worker(pair[0], "one") as first,
        Worker(pair[1], "one") as second,
        Worker(pair[1], "one", resends=True) as third,
        concurrent.futures.ThreadPoolExecutor(50) as pool,
    ):
        assert list(pool.map(visit, bodies)) == bodies
        served = [visit.body for worker in (first, second, third) for visit in worker.visits]
    assert sorted(served) == sorted(bodies)


def test_a_relay_that_dies_loses_only_its_own_visitors(pair: tuple[Relay, Relay]) -> None:
    here, dying = pair
    with Call(here, "one") as call:
        call.wait()
    with here.connect() as ours, dying.connect() as theirs:
        ours.send(request("/ours", host_of("one")))
        theirs.send(request("/theirs", host_of("one")))
        here.wait_level("visits_in_progress", 1)
        dying.wait_level("visits_in_progress", 1)
        dying.kill()
        with Worker(here, "one", waits=False) as worker:
            assert ours.response().body == b"nothing"
            assert here.get("/more", host_of("one")).status == 200
    assert [visit.url for visit in worker.visits][-2:] == ["/ours", "/more"]


def test_a_worker_that_loses_its_relay_answers_at_the_other(pair: tuple[Relay, Relay]) -> None:
    here, dying = pair
    with Call(dying, "one") as call, here.connect() as visitor:
        call.wait()
        visitor.send(request("/", host_of("one")))
        told = call.told()
        dying.kill()
        with Call(here, "one") as other:
            other.begin(told.rid, Answer(body=b"at the other"))
            assert visitor.response().body == b"at the other"
