"""Responses to visitors: methods, statuses, bodies and header fields."""

import pytest

from test.companions.share.old_workers import Answer, Worker, echo
from test.companions.share.relays import Relay, host_of


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_all_methods_pass(relay: Relay, name: str, method: str) -> None:
    with Worker(relay, name, lambda visit: Answer("200", {}, visit.method.encode())):
        assert relay.get("/", host_of(name), method).body == method.encode()


def test_response_to_head_has_the_content_length_and_no_body(relay: Relay, name: str) -> None:
    fields = {"Content-Length": "1234", "Content-Type": "text/plain"}
    with Worker(relay, name, lambda visit: Answer("200", fields, b"")):
        answer = relay.get("/", host_of(name), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.get(b"Content-Length") == b"1234"


@pytest.mark.parametrize("status", ["204", "304"])
def test_response_204_or_304_has_no_body(relay: Relay, name: str, status: str) -> None:
    answer = Answer(status, {"ETag": '"x"'}, b"a body")
    with Worker(relay, name, lambda visit: answer), relay.connect() as visitor:
        visitor.send(f"GET / HTTP/1.1\r\nHost: {host_of(name)}\r\n\r\n".encode() * 2)
        answers = [visitor.response(), visitor.response()]
    assert [(answer.status, answer.body) for answer in answers] == [(int(status), b"")] * 2


@pytest.mark.parametrize("status", ["200", "201", "302", "404", "418", "500", "599"])
def test_statuses_pass(relay: Relay, name: str, status: str) -> None:
    with Worker(relay, name, lambda visit: Answer(status, {"Location": "/there"}, b"body")):
        answer = relay.get("/", host_of(name))
    assert (answer.status, answer.body, answer.get(b"Location")) == (
        int(status),
        b"body",
        b"/there",
    )


def test_list_of_set_cookie_becomes_two_fields(relay: Relay, name: str) -> None:
    fields = {"Set-Cookie": ["a=1; Path=/", "b=2"], "Vary": "Cookie"}
    with Worker(relay, name, lambda visit: Answer("200", fields)):
        answer = relay.get("/", host_of(name))
    assert answer.all(b"Set-Cookie") == [b"a=1; Path=/", b"b=2"]


def test_wrong_content_length_is_corrected(relay: Relay, name: str) -> None:
    """The worker has decoded the body, and forwards the server's Content-Length."""
    fields = {"Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "close, X-Gone"}
    with Worker(relay, name, lambda visit: Answer("200", {**fields, "X-Gone": "1"}, b"longer")):
        answer = relay.get("/", host_of(name))
    assert (answer.body, answer.get(b"Content-Length")) == (b"longer", b"6")
    assert answer.get(b"X-Gone") is answer.get(b"Transfer-Encoding") is None


def test_answer_without_content_type_becomes_html(relay: Relay, name: str) -> None:
    with Worker(relay, name, lambda visit: Answer("200", {}, b"<p>hello")):
        answer = relay.get("/", host_of(name))
    assert answer.get(b"Content-Type") == b"text/html; charset=utf-8"


def test_server_fields_pass_unchanged(relay: Relay, name: str) -> None:
    date = "Thu, 01 Jan 1970 00:00:00 GMT"
    fields = {"Server": "mine", "Date": date, "Content-Type": "text/x", "X-Name": "caf\u00e9"}
    with Worker(relay, name, lambda visit: Answer("200", fields, b"body")):
        answer = relay.get("/", host_of(name))
    assert answer.get(b"Server") == b"mine"
    assert answer.get(b"Date") == date.encode()
    assert answer.get(b"Content-Type") == b"text/x"
    assert answer.get(b"X-Name") == "caf\u00e9".encode()


def test_http_1_0_visitor_gets_response_ended_by_close(relay: Relay, name: str) -> None:
    with Worker(relay, name, echo), relay.connect() as visitor:
        visitor.send(f"GET / HTTP/1.0\r\nHost: {host_of(name)}\r\n\r\n".encode())
        assert visitor.rest().endswith(b"\r\n\r\nnothing")


def test_visitor_connection_is_reused(relay: Relay, name: str) -> None:
    with Worker(relay, name), relay.connect() as visitor:
        for _ in range(3):
            visitor.send(f"GET / HTTP/1.1\r\nHost: {host_of(name)}\r\n\r\n".encode())
            assert visitor.response().body == b"nothing"
