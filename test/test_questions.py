"""Questions to a proxy: here a server that gives the answers of the test, and gets none right."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.questions import ERROR, NOBODY, RUNNING, UNSETTLED, Answer, ask
from test.harness import free_port


def status(state: str, generation: int = 1, **members: object) -> Mapping[str, object]:
    return {"state": state, "generation": generation, "pid": 42, "reason": "", **members}


class Script(ThreadingHTTPServer):
    """Answers each GET with the next body, and the last one again and again."""

    def __init__(self, *bodies: object, code: int = 200, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.bodies = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        self.code = code
        self.asked: list[str] = []

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        bodies = self.server.bodies
        body = (bodies.pop(0) if len(bodies) > 1 else bodies[0]).encode()
        self._answer(body)

    def do_POST(self) -> None:
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def answering(*bodies: object, code: int = 200) -> Iterator[Script]:
    with Script(*bodies, code=code) as server:
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
        (status("running", 4), Answer("running, generation 4, pid 42", RUNNING)),
        (status("error", reason="exited with status 1", pid=None), None),
        (status("loading"), Answer("loading, generation 1, pid 42", UNSETTLED)),
        (status("killing", pid=None), Answer("killing, generation 1", UNSETTLED)),
    ],
)
def test_the_status(told: Mapping[str, object], answer: Answer | None) -> None:
    answer = answer or Answer("error, generation 1: exited with status 1", ERROR)
    with answering(told) as server:
        assert ask("status", server.address, 60.0) == answer
        assert server.asked == ["GET /_hpp/status"]


def test_the_status_as_json() -> None:
    with answering(status("running")) as server:
        answer = ask("status", server.address, 60.0, as_json=True)
    assert json.loads(answer.text) == status("running")


def test_waiting_is_over_when_the_server_runs() -> None:
    with answering(status("loading"), status("loading"), status("running")) as server:
        assert ask("wait", server.address, 60.0).exit_status == RUNNING
        assert server.asked == ["GET /_hpp/status?wait=running&timeout=1"] * 3


def test_waiting_is_over_at_an_error() -> None:
    with answering(status("loading"), status("error", reason="killed")) as server:
        assert ask("wait", server.address, 60.0) == Answer("error, generation 1: killed", ERROR)


def test_waiting_has_an_end() -> None:
    with answering(status("loading")) as server:
        began = time.monotonic()
        assert ask("wait", server.address, 0.2).exit_status == UNSETTLED
        assert 0.2 <= time.monotonic() - began < 2


def test_one_may_wait_for_a_proxy_that_does_not_listen_yet() -> None:
    port = free_port()

    def answer_once() -> None:
        with Script(status("running"), port=port) as server:
            server.handle_request()

    late = threading.Timer(0.2, answer_once)
    late.start()
    assert ask("wait", Address("127.0.0.1", port), 60.0).exit_status == RUNNING
    late.join()


def test_a_restart_is_over_with_a_later_generation() -> None:
    answers = [status("running", 3), status("running", 3), status("loading", 4)]
    with answering(*answers, status("running", 4)) as server:
        answer = ask("restart", server.address, 60.0)
        assert answer == Answer("running, generation 4, pid 42", RUNNING)
        assert server.asked[:2] == ["GET /_hpp/status", "POST /_hpp/restart"]


def test_a_restart_that_goes_wrong() -> None:
    with answering(status("error", 3), status("error", 3), status("error", 4)) as server:
        assert ask("restart", server.address, 60.0).exit_status == ERROR
        assert len(server.asked) == 4


def test_a_restart_that_takes_too_long_does_not_count_the_old_server() -> None:
    with answering(status("running", 3)) as server:
        assert ask("restart", server.address, 0.1).exit_status == UNSETTLED


@pytest.mark.parametrize("question", ["status", "restart", "wait"])
def test_nobody_answers(question: str) -> None:
    port = free_port()
    answer = ask(question, Address("localhost", port), 0.1)
    assert answer == Answer(f"nobody answers at localhost:{port}: Connection refused", NOBODY)


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_something_else_answers(body: str) -> None:
    with answering(body) as server:
        answer = ask("status", server.address, 60.0)
        assert answer == Answer(
            f"what answers at {server.address} is no http-process-proxy", NOBODY
        )


def test_a_proxy_that_does_not_trust_us_says_so() -> None:
    with answering({"detail": "not for you"}, code=403) as server:
        answer = ask("status", server.address, 60.0)
        assert answer == Answer(f"{server.address} answers 403: not for you", NOBODY)
