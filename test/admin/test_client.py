"""Questions to a proxy: here a server that gives the answers of the test, and gets none right."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from httpprocessproxy.admin.client import ERROR, NOBODY, RUNNING, UNSETTLED, AdminResponse, ask
from httpprocessproxy.config import Address
from test.ports import free_port


def status(state: str, generation: int = 1, **members: object) -> Mapping[str, object]:
    return {"state": state, "generation": generation, "pid": 42, "reason": "", **members}


class Script(ThreadingHTTPServer):
    """Answers all requests alike."""

    def __init__(self, body: object, code: int = 200, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.code = code
        self.asked: list[str] = []

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET  # noqa: N815

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def answering(body: object, code: int = 200) -> Iterator[Script]:
    with Script(body, code) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        (status("running", 4), AdminResponse("running, generation 4, pid 42", RUNNING)),
        (status("error", reason="exited with status 1", pid=None), None),
        (status("loading"), AdminResponse("loading, generation 1, pid 42", UNSETTLED)),
        (status("killing", pid=None), AdminResponse("killing, generation 1", UNSETTLED)),
    ],
)
def test_the_status(told: Mapping[str, object], answer: AdminResponse | None) -> None:
    answer = answer or AdminResponse("error, generation 1: exited with status 1", ERROR)
    with answering(told) as server:
        assert ask("status", server.address, 60.0) == answer
        assert server.asked == ["GET /_hpp/status"]


def test_the_status_as_json() -> None:
    with answering(status("running")) as server:
        answer = ask("status", server.address, 60.0, as_json=True)
    assert json.loads(answer.text) == status("running")


@pytest.mark.parametrize(
    ("question", "asked"), [("wait", "GET /_hpp/status"), ("restart", "POST /_hpp/restart")]
)
def test_the_proxy_answers_when_its_server_is_settled(question: str, asked: str) -> None:
    with answering(status("running", 4)) as server:
        assert ask(question, server.address, 60.0).exit_status == RUNNING
        (request,) = server.asked
        assert request.startswith(f"{asked}?wait=running,error&timeout=")
        assert 59 < float(request.partition("timeout=")[2]) <= 60
    with answering(status("error", 4, reason="killed")) as server:
        assert ask(question, server.address, 60.0) == AdminResponse(
            "error, generation 4: killed", ERROR
        )


@pytest.mark.parametrize("question", ["wait", "restart"])
@pytest.mark.parametrize("state", ["loading", "running"])
def test_waiting_has_an_end(question: str, state: str) -> None:
    """A server that runs still, after the time for a restart, is the old one."""
    with answering(status(state), 504) as server:
        assert ask(question, server.address, 60.0).exit_status == UNSETTLED


def test_nobody_may_wait_for_ever() -> None:
    with answering(status("running")) as server:
        ask("restart", server.address, 1e9)
        assert server.asked == ["POST /_hpp/restart?wait=running,error&timeout=3600.000"]


def test_one_may_wait_for_a_proxy_that_does_not_listen_yet() -> None:
    port = free_port()

    def answer_once() -> None:
        with Script(status("running"), port=port) as server:
            server.handle_request()

    late = threading.Timer(0.2, answer_once)
    late.start()
    assert ask("wait", Address("127.0.0.1", port), 60.0).exit_status == RUNNING
    late.join()


@pytest.mark.parametrize("question", ["status", "restart", "wait"])
def test_nobody_answers(question: str) -> None:
    port = free_port()
    answer = ask(question, Address("localhost", port), 0.1)
    assert answer == AdminResponse(
        f"nobody answers at localhost:{port}: Connection refused", NOBODY
    )


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_something_else_answers(body: str) -> None:
    with answering(body) as server:
        answer = ask("status", server.address, 60.0)
        assert answer == AdminResponse(
            f"what answers at {server.address} is no http-process-proxy", NOBODY
        )


@pytest.mark.parametrize(
    ("body", "said"), [({"detail": "not for you"}, ": not for you"), ("<html>", "")]
)
def test_a_proxy_that_does_not_trust_us_says_so(body: object, said: str) -> None:
    with answering(body, 403) as server:
        for question in ("status", "wait"):  # it will say the same in a moment
            answer = ask(question, server.address, 60.0)
            assert answer == AdminResponse(f"{server.address} answers 403{said}", NOBODY)
