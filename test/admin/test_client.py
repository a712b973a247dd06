"""The client of the API, with a server that sends the responses of the test."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from httpprocessproxy.admin.client import ERROR, NO_ANSWER, RUNNING, UNSETTLED, AdminResponse, ask
from httpprocessproxy.config import Address
from test.ports import free_port


def status(state: str, generation: int = 1, **members: object) -> Mapping[str, object]:
    return {"state": state, "generation": generation, "pid": 42, "reason": "", **members}


class Script(ThreadingHTTPServer):
    """A server that answers all requests with the same response."""

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
    ("status_sent", "answer"),
    [
        (status("running", 4), AdminResponse("running, generation 4, pid 42", RUNNING)),
        (status("error", reason="exited with status 1", pid=None), None),
        (status("loading"), AdminResponse("loading, generation 1, pid 42", UNSETTLED)),
        (status("killing", pid=None), AdminResponse("killing, generation 1", UNSETTLED)),
        (
            status("running", build={"state": "failed", "command": "make", "reason": "ended"}),
            AdminResponse("running, generation 1, pid 42; before failed: make ended", ERROR),
        ),
        (
            status("running", build={"state": "succeeded", "command": "make", "reason": ""}),
            AdminResponse("running, generation 1, pid 42", RUNNING),
        ),
    ],
)
def test_status_has_exit_status(
    status_sent: Mapping[str, object], answer: AdminResponse | None
) -> None:
    answer = answer or AdminResponse("error, generation 1: exited with status 1", ERROR)
    with answering(status_sent) as server:
        assert ask("status", server.address, 60.0) == answer
        assert server.asked == ["GET /_hpp/status"]


def test_status_is_printed_as_json() -> None:
    with answering(status("running")) as server:
        answer = ask("status", server.address, 60.0, as_json=True)
    assert json.loads(answer.text) == status("running")


@pytest.mark.parametrize(
    ("question", "asked"), [("wait", "GET /_hpp/status"), ("restart", "POST /_hpp/restart")]
)
def test_wait_and_restart_ask_for_a_settled_state(question: str, asked: str) -> None:
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
def test_timeout_of_a_wait_is_unsettled(question: str, state: str) -> None:
    """A server that still runs when the time for a restart is over is the old one."""
    with answering(status(state), 504) as server:
        assert ask(question, server.address, 60.0).exit_status == UNSETTLED


def test_wait_is_limited_to_an_hour() -> None:
    with answering(status("running")) as server:
        ask("restart", server.address, 1e9)
        assert server.asked == ["POST /_hpp/restart?wait=running,error&timeout=3600.000"]


def test_wait_retries_until_the_proxy_listens() -> None:
    port = free_port()

    def answer_once() -> None:
        with Script(status("running"), port=port) as server:
            server.handle_request()

    late = threading.Timer(0.2, answer_once)
    late.start()
    assert ask("wait", Address("127.0.0.1", port), 60.0).exit_status == RUNNING
    late.join()


@pytest.mark.parametrize("question", ["status", "restart", "wait"])
def test_closed_port_is_no_answer(question: str) -> None:
    port = free_port()
    answer = ask(question, Address("localhost", port), 0.1)
    assert answer == AdminResponse(f"no answer at localhost:{port}: Connection refused", NO_ANSWER)


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_other_program_is_reported(body: str) -> None:
    with answering(body) as server:
        answer = ask("status", server.address, 60.0)
        assert answer == AdminResponse(
            f"the program that answers at {server.address} is not http-process-proxy", NO_ANSWER
        )


@pytest.mark.parametrize(
    ("body", "suffix"), [({"detail": "not for you"}, ": not for you"), ("<html>", "")]
)
def test_refusal_of_the_proxy_is_reported(body: object, suffix: str) -> None:
    with answering(body, 403) as server:
        for question in ("status", "wait"):  # a refusal is not retried
            answer = ask(question, server.address, 60.0)
            assert answer == AdminResponse(f"{server.address} answers 403{suffix}", NO_ANSWER)
