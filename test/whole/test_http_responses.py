"""Responses as the client receives them, and when (RFC 9110, 9112); the test sends the bytes."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

import pytest

from test.deadline import MS
from test.recorder import OK
from test.wire import TruncatedError, Wire

if TYPE_CHECKING:
    from test.whole.conftest import Dialogue


def status_line(status: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *fields, b"", body])


# Responses without a body


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_status_without_a_body_is_forwarded_without_one(dialogue: Dialogue, status: bytes) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    fields = [b"Content-Length: 5"] if status.startswith(b"304") else []
    dialogue.backend.exchange(status_line(status, *fields))
    response = client.response()
    assert response.get(b"Transfer-Encoding") is None
    if fields:
        assert response.get(b"Content-Length") == b"5"
    client.send(dialogue.head(b"GET /next HTTP/1.1"))
    assert dialogue.backend.exchange().target == b"/next"
    assert client.response().body == b"ok"


def test_head_keeps_the_length_and_sends_no_body(dialogue: Dialogue) -> None:
    response = dialogue.answered(status_line(b"200 OK", b"Content-Length: 123"), b"HEAD / HTTP/1.1")
    assert response.get(b"Content-Length") == b"123"


def test_body_of_a_head_response_is_not_the_next_response(dialogue: Dialogue) -> None:
    client = dialogue.send(b"HEAD / HTTP/1.1")
    dialogue.backend.exchange(OK)
    assert client.response(b"HEAD").status == 200
    client.send(dialogue.head(b"GET /next HTTP/1.1"))
    dialogue.backend.exchange(status_line(b"201 Created", b"Content-Length: 4", body=b"next"))
    response = client.response()
    assert (response.status, response.body) == (201, b"next")


# Interim responses and Expect


def test_interim_responses_are_forwarded(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    interim: list[int] = []
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    dialogue.backend.exchange(b"HTTP/1.1 102 Processing\r\n\r\n" + hints + hints + OK)
    assert client.response(interim=interim).body == b"ok"
    assert interim == [102, 103, 103]


def test_http_1_0_gets_no_interim_response(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.0")
    dialogue.backend.exchange(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert client.response(interim=None).body == b"ok"


def test_101_without_an_upgrade_gets_502(dialogue: Dialogue) -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    assert dialogue.answered(answer).status == 502


def test_expect_is_forwarded_end_to_end(dialogue: Dialogue) -> None:
    client = dialogue.send(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 3")
    wire = dialogue.backend.next()
    assert wire.head().get(b"Expect") == b"100-continue"
    wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.head().status == 100
    client.send(b"abc")
    assert wire.exactly(3) == b"abc"
    wire.send(OK)
    assert client.response().status == 200


def test_refused_expectation_closes_the_connection(dialogue: Dialogue) -> None:
    client = dialogue.send(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 3")
    wire = dialogue.backend.next()
    wire.head()
    wire.send(status_line(b"417 Expectation Failed", b"Content-Length: 0"))
    assert client.response().status == 417
    client.finish()
    assert client.ended()


# Early, broken and missing responses


def test_early_response_reaches_a_client_that_still_sends(dialogue: Dialogue) -> None:
    client = dialogue.send(b"POST / HTTP/1.1", b"Content-Length: 10000000", body=b"x" * 1000)
    wire = dialogue.backend.next()
    wire.head()
    wire.send(
        status_line(b"413 Too Large", b"Content-Length: 3", b"Connection: close", body=b"big")
    )
    wire.finish()
    response = client.response()
    assert (response.status, response.body) == (413, b"big")


BROKEN = [
    (b"", "nothing"),
    (b"not http at all\r\n\r\n", "no HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "two lengths"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "no length"),
    (b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", "NUL"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unknown coding"),
    (b"HTTP/1.1 200 OK\r\nContent-Le", "cut head"),
]


@pytest.mark.parametrize("answer", [answer for answer, _ in BROKEN], ids=[why for _, why in BROKEN])
def test_broken_response_gets_502(dialogue: Dialogue, answer: bytes) -> None:
    # POST, because a GET without a response would be sent again.
    assert dialogue.answered(answer, b"POST / HTTP/1.1").status == 502


def test_folded_line_is_unfolded_or_gets_502(dialogue: Dialogue) -> None:
    answer = b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"
    response = dialogue.answered(answer, b"POST / HTTP/1.1")
    assert response.status == 502 or response.get(b"A") == b"b c"


CUT = [
    status_line(b"200 OK", b"Content-Length: 10", body=b"hello"),
    status_line(b"200 OK", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
]


@pytest.mark.parametrize("answer", CUT, ids=["length", "chunks"])
def test_cut_response_is_truncated_at_the_client(dialogue: Dialogue, answer: bytes) -> None:
    """A POST's response is forwarded at once; a GET's would be held back, and the GET repeated."""
    with pytest.raises(TruncatedError):
        dialogue.answered(answer, b"POST / HTTP/1.1")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1", b"POST / HTTP/1.1"])
def test_broken_chunk_in_the_first_piece_gets_502(dialogue: Dialogue, first: bytes) -> None:
    body = b"5\r\nhello\r\nzz\r\n"
    answer = status_line(b"200 OK", b"Transfer-Encoding: chunked", body=body)
    assert dialogue.answered(answer, first).status == 502


# Bodies


def test_chunks_and_trailers_arrive(dialogue: Dialogue) -> None:
    body = b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n"
    response = dialogue.answered(status_line(b"200 OK", b"Transfer-Encoding: chunked", body=body))
    assert response.body == b"hello!"
    assert response.trailers in ([(b"X-Sum", b"6")], [])


def test_body_until_the_close_arrives_complete(dialogue: Dialogue) -> None:
    response = dialogue.answered(status_line(b"200 OK", body=b"all of it"))
    assert response.body == b"all of it"


def test_http_1_0_gets_no_chunks(dialogue: Dialogue) -> None:
    body = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    answer = status_line(b"200 OK", b"Transfer-Encoding: chunked", body=body)
    response = dialogue.answered(answer, b"GET / HTTP/1.0")
    assert response.get(b"Transfer-Encoding") is None
    assert response.body == b"hello!"


def test_http_1_0_connection_can_be_kept_alive(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.0", b"Connection: keep-alive")
    dialogue.backend.exchange()
    response = client.response()
    option = response.get(b"Connection")
    assert option is not None
    if option.lower() == b"keep-alive":
        client.send(dialogue.head(b"GET /second HTTP/1.0"))
        assert dialogue.backend.exchange().target == b"/second"
    else:
        assert client.ended()


def test_compressed_bytes_and_ranges_are_unchanged(dialogue: Dialogue) -> None:
    body = gzip.compress(b"<html><head></head><body>hello</body></html>")
    fields = [
        *(b"Content-Type: text/html", b"Content-Encoding: gzip", b'ETag: "a"', b"Vary: x"),
        *(b"Content-Range: bytes 0-9/99", b"Content-Length: %d" % len(body)),
    ]
    response = dialogue.answered(status_line(b"206 Partial Content", *fields, body=body))
    assert response.body == body
    for line in fields:
        name, value = line.split(b": ")
        assert response.get(name) == value


def test_cookies_stay_separate_and_in_order(dialogue: Dialogue) -> None:
    fields = [b"Set-Cookie: a=1", b"X: \xff", b"Set-Cookie: b=2", b"Empty:", b"Content-Length: 0"]
    response = dialogue.answered(status_line(b"200 OK", *fields))
    assert response.all(b"Set-Cookie") == [b"a=1", b"b=2"]
    assert (response.get(b"X"), response.get(b"Empty")) == (b"\xff", b"")


def test_server_sent_events_are_forwarded_at_once(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    wire = dialogue.backend.next()
    wire.request()
    wire.send(
        status_line(b"200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
    )
    assert client.head().status == 200
    delays = []
    for number in range(20):
        event = b"data: %d\n\n" % number
        sent = time.monotonic()
        wire.send(b"%x\r\n%b\r\n" % (len(event), event))
        client.until(event)
        delays.append(time.monotonic() - sent)
    assert sorted(delays)[10] < 50 * MS


# The connection


def test_pipelined_requests_are_answered_in_order(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.send(*(dialogue.head(b"GET /%d HTTP/1.1" % number) for number in range(100)))
    for number in range(100):
        body = b"%d" % number
        answer = status_line(b"200 OK", b"Content-Length: %d" % len(body), body=body)
        assert dialogue.backend.exchange(answer).target == b"/%d" % number
    assert [client.response().body for _ in range(100)] == [b"%d" % n for n in range(100)]


def test_bytes_after_connection_close_are_ignored(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.send(dialogue.head(b"GET /last HTTP/1.1", b"Connection: close"))
    client.send(dialogue.head(b"GET /ignored HTTP/1.1"))
    assert dialogue.backend.exchange().target == b"/last"
    assert client.response().get(b"Connection") == b"close"
    assert client.ended()
    dialogue.assert_backend_saw_nothing()


def test_half_closed_client_gets_its_response(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    client.finish()
    dialogue.backend.exchange()
    assert client.response().body == b"ok"
    assert client.ended()


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_backend_connection_ends_when_the_client_leaves(dialogue: Dialogue, leave: str) -> None:
    client = dialogue.send(b"GET / HTTP/1.1")
    wire = dialogue.backend.next()
    wire.request()
    left = time.monotonic()
    if leave == "reset":
        client.reset()
    else:
        client.socket.close()
    assert wire.ended()
    assert time.monotonic() - left < 1000 * MS


def kept_connection(dialogue: Dialogue) -> tuple[Wire, Wire]:
    """The client's and the backend's connection, after a first exchange on both."""
    client = dialogue.send(b"GET /first HTTP/1.1")
    wire = dialogue.backend.next()
    wire.request()
    wire.send(OK)
    client.response()
    return client, wire


def test_get_survives_a_closed_backend_connection(dialogue: Dialogue) -> None:
    client, _ = kept_connection(dialogue)
    dialogue.backend.forget()
    client.send(dialogue.head(b"GET /again HTTP/1.1"))
    assert dialogue.backend.exchange().target == b"/again"
    assert client.response().status == 200


def test_post_is_never_sent_twice(dialogue: Dialogue) -> None:
    client, _ = kept_connection(dialogue)
    client.send(dialogue.head(b"POST /once HTTP/1.1", b"Content-Length: 2"), b"hi")
    wire = dialogue.backend.next()
    wire.request()
    dialogue.backend.forget()
    assert client.response().status == 502
    dialogue.assert_backend_saw_nothing()


def test_get_is_sent_again_once(dialogue: Dialogue) -> None:
    client = dialogue.send(b"GET /again HTTP/1.1")
    for _ in range(2):
        assert dialogue.backend.next().request().target == b"/again"
        dialogue.backend.forget()
    assert client.response().status == 502
    dialogue.assert_backend_saw_nothing()


def test_thousand_idle_connections_delay_no_request(dialogue: Dialogue) -> None:
    idle = [dialogue.client() for _ in range(1000)]
    for number, client in enumerate(idle):
        client.send(b"GET / HTTP/1.1\r\nX: " if number % 2 else b"")
    started = time.monotonic()
    dialogue.seen(b"GET / HTTP/1.1")
    assert time.monotonic() - started < 1000 * MS
