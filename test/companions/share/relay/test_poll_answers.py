"""Answers in worker calls: ids, repetition, and malformed, too large or cut answers."""

import contextlib
from collections.abc import Iterator

import pytest

from test.companions.share.old_workers import Answer, Call, Visit, Worker
from test.companions.share.relay.calls import credentials, visit, visiting
from test.companions.share.relays import Relay
from test.deadline import eventually
from test.wire import Wire


@contextlib.contextmanager
def taken(relay: Relay, name: str) -> Iterator[tuple[Call, Visit, Wire]]:
    """A worker's call that has received a visit, the visit, and the visitor's connection."""
    with Call(relay, name) as call:
        call.wait()
        with visiting(relay, name) as visitor:
            received = call.next_visit()
            yield call, received, visitor


def answer_to(received: Visit, name: str, *lines: str) -> bytes:
    """The first bytes of a call that carries an answer."""
    head = ["POST /server-client HTTP/1.1", "Host: r", *credentials(name)]
    head += [f"fpw-rid: {received.rid}", "fpw-status: 200", "fpw-header: {}"]
    return "\r\n".join([*head, *lines]).encode()


@pytest.mark.parametrize("ids", [("fpw-rid",), ("fpw-id",), ("fpw-rid", "fpw-id")])
def test_answer_is_accepted_by_either_name_of_the_id(
    relay: Relay, name: str, ids: tuple[str, ...]
) -> None:
    with Worker(relay, name, ids=ids):
        answers = [visit(relay, name, "/", "POST", b"%d" % number) for number in range(3)]
    assert [answer.body for answer in answers] == [b"0", b"1", b"2"]


def test_repeated_answer_is_ignored(relay: Relay, name: str) -> None:
    ignored = relay.level("ignored_answers")
    with Worker(relay, name, resends=True):
        assert visit(relay, name, "/", "POST", b"first").body == b"first"
        eventually(lambda: relay.level("ignored_answers") >= ignored + 2)
        assert visit(relay, name, "/", "POST", b"second").body == b"second"


def test_answer_on_another_connection_is_accepted(relay: Relay, name: str) -> None:
    with Call(relay, name) as answering, taken(relay, name) as (call, received, visitor):
        call.kill()
        answering.begin(received.rid, Answer(body=b"from elsewhere"))
        assert visitor.response().body == b"from elsewhere"


def test_second_answer_to_a_visit_is_ignored(relay: Relay, name: str) -> None:
    with taken(relay, name) as (call, received, visitor):
        assert call.poll(received.rid, Answer(body=b"one")) is None
        assert visitor.response().body == b"one"
        assert call.poll(received.rid, Answer(body=b"two")) is None


@pytest.mark.parametrize("rid", ["unknown", "1700000000000-123456", "x" * 256, "%00"])
def test_answer_with_unknown_id_is_ignored(relay: Relay, name: str, rid: str) -> None:
    with Call(relay, name) as call:
        assert call.poll(rid, Answer("nonsense", "nonsense", b"x" * 100_000)) is None


def test_worker_cannot_answer_a_visit_of_another_host(relay: Relay, name: str) -> None:
    thief_name = "name999"
    with Call(relay, thief_name) as thief, taken(relay, name) as (call, received, visitor):
        assert thief.poll(received.rid, Answer(body=b"stolen")) is None
        call.begin(received.rid, Answer(body=b"mine"))
        assert visitor.response().body == b"mine"


MALFORMED = [
    (Answer("abc"), "fpw-status is not a status from 100 to 599"),
    (Answer("99"), "fpw-status is not a status from 100 to 599"),
    (Answer("600"), "fpw-status is not a status from 100 to 599"),
    (Answer("101"), "fpw-status 101 is not a final response"),
    (Answer("200", "{"), "fpw-header is not JSON"),
    (Answer("200", "[1]"), "fpw-header is not a JSON object"),
    (Answer("200", {"A b": "1"}), "fpw-header has an invalid name"),
    (Answer("200", {"A\r\nX": "1"}), "fpw-header has an invalid name"),
    (Answer("200", {"A": "1\r\nSet-Cookie: x"}), "fpw-header has an invalid value"),
    (Answer("200", {"A": ["1", "\n"]}), "fpw-header has an invalid value"),
    (Answer("200", {"A": "\0"}), "fpw-header has an invalid value"),
]


@pytest.mark.parametrize(("answer", "reason"), MALFORMED)
def test_malformed_answer_gives_visitor_502_and_worker_400_with_reason(
    relay: Relay, name: str, answer: Answer, reason: str
) -> None:
    with taken(relay, name) as (call, received, visitor):
        call.begin(received.rid, answer)
        status, body, _ = call.end()
        assert (status, body.decode()[: len(reason)]) == (400, reason)
        assert visitor.response().status == 502


def test_repeated_names_in_the_json_are_repeated_in_the_response(relay: Relay, name: str) -> None:
    fields = '{"X-A":"1","x-a":"2","X-A":["3","4"]}'
    with Worker(relay, name, lambda visit: Answer("200", fields)):
        assert visit(relay, name).all(b"x-a") == [b"1", b"2", b"3", b"4"]


def test_too_large_answer_gives_visitor_502_and_worker_413(relay: Relay, name: str) -> None:
    with taken(relay, name) as (_, received, visitor):
        with relay.connect() as wire:
            wire.send(answer_to(received, name, "Content-Length: 7000000", "", ""))
            reply = wire.response()
        assert (reply.status, reply.body) == (413, b"the body has more than 6291456 bytes")
        assert visitor.response().status == 502


def test_visitor_gets_502_when_worker_dies_during_its_answer(relay: Relay, name: str) -> None:
    with taken(relay, name) as (_, received, visitor):
        with relay.connect() as wire:
            wire.send(answer_to(received, name, "Content-Length: 1000", "", "half"))
            eventually(lambda: relay.level("memory_bytes") == len(b"half"))
        assert visitor.response().status == 502
