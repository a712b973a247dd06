"""Worker calls: their credentials, their replies, and the assignment of visits to calls."""

import concurrent.futures
import json

import pytest

from test.companions.share.old_workers import Answer, Call, Visit, Worker, echo
from test.companions.share.relay.calls import credentials, raw_call, visit, visiting
from test.companions.share.relays import Relay, host_of, request
from test.deadline import MS, eventually


def test_reply_carries_the_visit_and_the_answer_reaches_the_visitor(
    relay: Relay, name: str
) -> None:
    with Call(relay, name) as call:
        call.wait()
        with visiting(relay, name, "/a%2Fb//?c=%20?d&", X_Own="1") as visitor:
            status, body, received = call.end()
            assert (status, body) == (200, b"")
            assert received is not None
            assert (received.method, received.url, received.ip) == (
                "GET",
                "/a%2Fb//?c=%20?d&",
                "127.0.0.1",
            )
            assert received.reply["fpw-rid"] == received.reply["fpw-id"] == received.rid
            assert len(received.rid) >= 22, "128 random bits"
            assert received.headers["X-Own"] == "1"
            assert received.headers["Host"] == host_of(name)
            call.begin(received.rid, Answer("201", {"X-Answer": "2"}, b"made"))
            answer = visitor.response()
    assert (answer.status, answer.body) == (201, b"made")
    assert answer.get(b"X-Answer") == b"2"


def test_call_without_a_visit_gets_empty_200_after_hold(relay: Relay, name: str) -> None:
    reply = raw_call(relay, *credentials(name))
    assert (reply.status, reply.body) == (200, b"")
    assert not [key for key, _ in reply.headers if key.lower().startswith(b"fpw-")]


@pytest.mark.parametrize("path", ["/server-client", "/server-client?x=y", "/"])
def test_worker_call_is_accepted_on_each_path(relay: Relay, name: str, path: str) -> None:
    assert raw_call(relay, *credentials(name), path=path).status == 200


def test_name_without_a_dot_is_a_subdomain_of_the_domain(relay: Relay, name: str) -> None:
    reply = raw_call(relay, f"fpw-host: {name.upper()}", f"fpw-token: secret-of-{name}")
    assert reply.status == 200


def test_worker_that_names_its_host_with_a_port_gets_the_host_s_visits(
    relay: Relay, name: str
) -> None:
    with Call(relay, name) as call:
        call.begin(fpw_host=f"{host_of(name)}:8443")
        with visiting(relay, name) as visitor:
            _, _, received = call.end()
            assert received is not None
            assert received.headers["Host"] == host_of(name)
            call.begin(received.rid, Answer("200", {}, b"here"), fpw_host=f"{host_of(name)}:8443")
            assert visitor.response().body == b"here"


def test_polling_worker_is_asked_for_an_answer_without_content_coding(
    relay: Relay, name: str
) -> None:
    # The protocol's first worker decodes an answer, but forwards its Content-Encoding.
    with Call(relay, name) as call:
        call.wait()
        with visiting(relay, name, Accept_Encoding="gzip, br"):
            _, _, received = call.end()
            assert received is not None
            coding = {key.lower(): value for key, value in received.headers.items()}
            assert coding["accept-encoding"] == "identity"


def test_wrong_credentials_all_get_the_same_403(relay: Relay, name: str) -> None:
    host, token = credentials(name)
    wrong = [
        (),
        (host,),
        (token,),
        (host, "fpw-token:"),
        (host, "fpw-token: wrong"),
        (host, "fpw-token: secret-of-another"),
        ("fpw-host: unknown.example.test", token),
        ("fpw-host: \xe9", token),
    ]
    replies = [raw_call(relay, *fields) for fields in wrong]
    assert {(reply.status, reply.body) for reply in replies} == {(403, b"Forbidden")}
    assert len({frozenset(key for key, _ in reply.headers) for reply in replies}) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_call_with_another_method_gets_405(relay: Relay, name: str, method: str) -> None:
    reply = raw_call(relay, *credentials(name), method=method)
    assert reply.status == 405
    assert reply.get(b"Allow") == b"POST"


def test_request_to_root_is_a_call_only_as_post_with_both_fields(relay: Relay, name: str) -> None:
    host, token = credentials(name)
    with Worker(relay, name):
        for fields, method in [((host,), "POST"), ((token,), "POST"), ((host, token), "GET")]:
            with relay.connect() as wire:
                lines = [f"{method} / HTTP/1.1", f"Host: {host_of(name)}", *fields]
                wire.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
                assert wire.response().body == b"nothing"


def test_handshake_for_an_unknown_transport_gets_405(relay: Relay, name: str) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "fpw-transport: stream/99")
    assert raw_call(relay, *credentials(name), *upgrade, method="GET").status == 405


# The assignment of visits to calls


def test_longest_waiting_call_gets_the_visit(relay: Relay, name: str) -> None:
    with Call(relay, name) as first, Call(relay, name) as second:
        first.wait()
        second.wait()
        with visiting(relay, name):
            first.next_visit()
            assert second.end() == (200, b"", None), "a visit is delivered to one call"


def test_visits_are_delivered_in_order_of_arrival(relay: Relay, name: str) -> None:
    with Call(relay, name) as call:
        call.poll()
        with visiting(relay, name, "/1"), relay.connect() as second:
            # The worker has received the first visit before the second is sent.
            one = call.visit()
            second.send(request("/2", host_of(name)))
            two = call.visit()
    assert (one.url, two.url) == ("/1", "/2")


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_closed_call_gets_no_visit(relay: Relay, name: str, how: str) -> None:
    dead = relay.connect()
    lines = ["POST /server-client HTTP/1.1", "Host: r", *credentials(name), "Content-Length: 0"]
    dead.send("\r\n".join([*lines, "", ""]).encode())
    eventually(lambda: relay.waiting(name) == 1)
    with Call(relay, name) as alive, dead:
        if how == "close":
            dead.__exit__(None, None, None)
        elif how == "reset":
            dead.reset()
        else:
            dead.finish()
        with visiting(relay, name, "/once") as visitor:
            received = alive.visit()
            assert received.url == "/once"
            alive.begin(received.rid, Answer(body=b"answered"))
            assert visitor.response().body == b"answered"


def test_visit_is_requeued_when_its_call_dies_during_the_write(relay: Relay, name: str) -> None:
    body = b"x" * 5_000_000
    with relay.connect() as slow, Call(relay, name) as other:
        lines = ["POST /server-client HTTP/1.1", "Host: r", *credentials(name)]
        slow.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(visit, relay, name, "/big", "POST", body)
            slow.exactly(1000)  # the write has begun, and the rest exceeds the socket buffers
            slow.reset()
            received = other.visit()
            assert received.url == "/big"
            assert received.body == body
            other.poll(received.rid, Answer(body=b"by the other"))
            assert asked.result().body == b"by the other"


def test_visit_is_requeued_only_once(relay: Relay, name: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with Call(relay, name) as call:
            call.poll()
        asked = pool.submit(visit, relay, name, "/big", "POST", b"x" * 5_000_000)
        for _ in range(2):
            with relay.connect() as slow:
                lines = ["POST /server-client HTTP/1.1", "Host: r", *credentials(name)]
                slow.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
                slow.exactly(1000)
                slow.reset()
        assert asked.result().status == 504


def test_answer_with_many_fields_is_accepted(relay: Relay, name: str) -> None:
    fields = {f"X-{number}": "v" * 300 for number in range(100)}
    with Worker(relay, name, lambda visit: Answer("200", fields)):
        answer = visit(relay, name)
    assert answer.get(b"X-99") == b"v" * 300
    assert len(json.dumps(fields)) > 16 * 1024


def test_call_with_too_long_field_gets_431(relay: Relay, name: str) -> None:
    assert raw_call(relay, *credentials(name), "fpw-header: " + "x" * 70_000).status == 431


def test_50_concurrent_visits_are_each_served_once_by_3_workers(relay: Relay, name: str) -> None:
    with (
        Worker(relay, name) as one,
        Worker(relay, name, ids=("fpw-id",)) as two,
        Worker(relay, name, resends=True) as three,
        concurrent.futures.ThreadPoolExecutor(50) as pool,
    ):
        bodies = [b"visit %d" % number for number in range(50)]
        answers = list(pool.map(lambda body: visit(relay, name, "/", "POST", body), bodies))
        served = [visit.body for worker in (one, two, three) for visit in worker.visits]
    assert [answer.body for answer in answers] == bodies
    assert sorted(served) == sorted(bodies), "each visit is served once"


def test_body_of_5_mib_passes_unchanged_in_both_directions(relay: Relay, name: str) -> None:
    body = bytes(range(256)) * (5 * 1024 * 4)
    with Worker(relay, name):
        answer = visit(relay, name, "/", "PUT", body)
    assert answer.body == body


def test_visit_waits_for_a_slow_worker(relay: Relay, name: str) -> None:
    def slowly(visit: Visit) -> Answer:
        eventually(lambda: relay.level("visits_in_progress") >= 1, 200 * MS)
        return echo(visit)

    with Worker(relay, name, slowly):
        assert visit(relay, name, "/", "POST", b"hello").body == b"hello"
