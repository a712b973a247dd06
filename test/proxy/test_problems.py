"""Error responses of the proxy: status, text and head."""

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import outgoing_request
from httpprocessproxy.core.http.http1 import parse_request
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.page.pages import Problem, render
from httpprocessproxy.proxy import problems
from test.fakes import get


def request(method: str) -> Request:
    return outgoing_request(parse_request(get(method=method)), Peer("127.0.0.1", True), b"1.1 us")


@pytest.mark.parametrize("status", [400, 403, 405, 408, 414, 431, 501, 505, 508])
def test_refusal_has_status_and_reason(status: int) -> None:
    problem = problems.refused(RequestError(status, "a reason"))
    assert (problem.status, problem.detail) == (status, "a reason.")
    assert problem.title


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize(
    ("method", "sent", "may_have_taken_effect"),
    [("POST", True, True), ("POST", False, False), ("GET", True, False), ("GET", False, False)],
)
def test_lost_request_gets_502_with_a_warning_if_sent_and_unsafe(
    loss: Loss, method: str, sent: bool, may_have_taken_effect: bool
) -> None:
    problem = problems.lost(loss, request(method), sent=sent)
    assert problem.status == 502
    assert loss.value in problem.detail
    assert ("may have taken effect" in problem.detail) == may_have_taken_effect


def test_other_problems_have_their_status() -> None:
    assert problems.bad_response("no sense").status == 502
    assert "no sense" in problems.bad_response("no sense").detail
    assert problems.no_answer().status == 504
    assert problems.timed_out().status == 408


@pytest.mark.parametrize("retry_after_s", [None, 1])
def test_head_has_length_and_forbids_caching(retry_after_s: int | None) -> None:
    problem = Problem(503, "Title", "Detail.", retry_after_s=retry_after_s)
    page = render(problem, b"text/html", reload=True)
    lines = problems.head(problem, page).split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert b"Content-Length: %d" % len(page.body) in lines
    assert b"Content-Type: text/html; charset=utf-8" in lines
    assert b"Cache-Control: no-store" in lines
    assert b"X-Content-Type-Options: nosniff" in lines
    assert (b"Retry-After: 1" in lines) == (retry_after_s is not None)
    assert lines[-1] == b""  # the empty line is not included
